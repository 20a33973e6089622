//! Why a pod ended, or does not begin, and whose fault each cause is: one row a cause.
//!
//! The names are Kubernetes' own reasons, as `kubectl describe pod` shows them. A reason that Kubernetes adds
//! later is kept by name in [`Cause::Other`] and counts as the cluster's.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The submission itself: a new try of the same notebook ends the same way.
    Student,
    /// What the course's staff set up: image, command, mounts, limits.
    Course,
    /// The cluster: nodes, registry, API server, other people's actions.
    Cluster,
}

impl Blame {
    /// The word that Python sees: `student`, `course` or `cluster`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Course => "course",
            Self::Cluster => "cluster",
        }
    }
}

/// Why a pod ended, or why it does not begin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// Every container ended with exit code 0.
    Completed,
    /// A container ended with another exit code.
    Error,
    /// The pod failed, and none of its containers tells why.
    Unexplained,
    /// A process was killed for want of memory, be it a child of a container that itself exited with 0.
    OomKilled,
    /// The same in an init container: the student's code does not run there.
    InitOomKilled,
    /// The time limit passed while the container ran.
    DeadlineExceeded,
    /// The time limit passed when the work was done and another container of the pod ran on.
    Outlived,
    /// The time limit passed before any container ran.
    DeadlineExceededBeforeStart,
    /// The time to start passed, and Kubernetes never said why the pod waits.
    StartTimeout,
    /// The registry answered that there is no such image, or that it may not be read.
    ErrImagePull,
    /// The registry did not answer.
    RegistryUnavailable,
    /// The image's name is no image reference.
    InvalidImageName,
    /// The image is there and cannot be read.
    ImageInspectError,
    /// The image is not on the node and `imagePullPolicy: Never` forbids to pull it.
    ErrImageNeverPull,
    /// A secret or configMap is missing, or the user id is not allowed.
    CreateContainerConfigError,
    /// The container runtime refused to create the container.
    CreateContainerError,
    /// The container runtime, or the node's disk, cannot make a container: it does not answer, or has no room.
    RuntimeUnavailable,
    /// The container could not be started, most often since its executable is missing.
    StartError,
    /// The kubelet killed the container, since its startup or liveness probe failed.
    Unhealthy,
    /// The kubelet killed the container, since its `postStart` hook failed.
    FailedPostStartHook,
    /// An init container failed.
    InitContainerError,
    /// No node fits the pod.
    Unschedulable,
    /// A scheduling gate (a queue, such as Kueue's) holds the pod back.
    SchedulingGated,
    /// The namespace's quota is used up.
    QuotaExceeded,
    /// A volume cannot be mounted: something that it names is not there.
    FailedMount,
    /// A volume cannot be mounted yet: its server does not answer, or it is not attached.
    VolumeUnavailable,
    /// The kubelet or the eviction API ended the pod.
    Evicted,
    /// The pod used more disk than its limit allows and was evicted for it.
    StorageExceeded,
    /// A pod of higher priority took the place.
    Preempted,
    /// The node is gone, or was shut down.
    NodeLost,
    /// The pod was deleted by someone else.
    Deleted,
    /// An admission check of the cluster refused the pod, or the node's kubelet for what its manifest asks for.
    Rejected,
    /// The node's kubelet refused the pod.
    UnexpectedAdmissionError,
    /// The pod succeeded and left no graded notebook behind.
    NoResults,
    /// No notebook that was handed in is one of the assignment's.
    NoNotebook,
    /// A reason that has no row here, under its own name.
    Other(String),
}

/// One row of the table: what everybody is told about a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The name: Kubernetes' reason where it has one.
    pub name: &'static str,
    /// Whose fault it is; `None` for a pod that did what it should.
    pub blame: Option<Blame>,
    /// Whether another attempt may end differently without anybody changing anything.
    pub retryable: bool,
    /// What a student reads: plain words, no cluster internals.
    pub student_text: &'static str,
}

const fn row(
    name: &'static str,
    blame: Option<Blame>,
    retryable: bool,
    student_text: &'static str,
) -> Row {
    Row {
        name,
        blame,
        retryable,
        student_text,
    }
}

const COURSE_TEXT: &str = "Your submission was not run, since the set-up of this assignment has a fault. \
     It is not your fault; your course's staff can mend it.";
const PROBE_TEXT: &str = "Your submission was stopped by something that your course's staff set up beside it. \
     It is not your fault; they can mend it.";
const CLUSTER_TEXT: &str = "Your submission could not be graded, since the computers that run it had a fault. \
     It is not your fault; please submit again, or ask your course's staff to grade it again.";
const QUEUED_TEXT: &str = "Your submission waits for a free place. It is not your fault.";
/// A quota that is only used up is waited for: this one is too small.
const QUOTA_TEXT: &str = "The course's share of the cluster is too small for your submission. It is not your fault: please tell your teachers.";

impl Cause {
    /// The row of this cause.
    #[must_use]
    pub fn row(&self) -> Row {
        use Blame::{Cluster, Course, Student};
        let (course, cluster) = (Some(Course), Some(Cluster));
        match self {
            Self::Completed => row("Completed", None, false, "Your submission ran to its end."),
            Self::Error => row(
                "Error",
                Some(Student),
                false,
                "Grading your submission ended with an error; the log says where.",
            ),
            Self::Unexplained => row("Error", course, false, COURSE_TEXT),
            Self::OomKilled => row(
                "OOMKilled",
                Some(Student),
                false,
                "Your submission used more memory than it may and was stopped.",
            ),
            Self::InitOomKilled => row("OOMKilled", course, false, COURSE_TEXT),
            Self::DeadlineExceeded => row(
                "DeadlineExceeded",
                Some(Student),
                false,
                "Your submission ran longer than it may and was stopped.",
            ),
            Self::Outlived => row(
                "DeadlineExceeded",
                course,
                false,
                "Your submission ran to its end, and something that your course's staff runs beside it did not. \
                 It is not your fault; they can mend it.",
            ),
            Self::StorageExceeded => row(
                "Evicted",
                Some(Student),
                false,
                "Your submission wrote more to the disk than it may and was stopped.",
            ),
            Self::DeadlineExceededBeforeStart => {
                row("DeadlineExceeded", cluster, true, CLUSTER_TEXT)
            }
            Self::StartTimeout => row("StartTimeout", cluster, true, CLUSTER_TEXT),
            Self::ErrImagePull => row("ErrImagePull", course, false, COURSE_TEXT),
            Self::RegistryUnavailable => row("ErrImagePull", cluster, true, CLUSTER_TEXT),
            Self::InvalidImageName => row("InvalidImageName", course, false, COURSE_TEXT),
            Self::ImageInspectError => row("ImageInspectError", cluster, true, CLUSTER_TEXT),
            Self::ErrImageNeverPull => row("ErrImageNeverPull", course, false, COURSE_TEXT),
            Self::CreateContainerConfigError => {
                row("CreateContainerConfigError", course, false, COURSE_TEXT)
            }
            Self::CreateContainerError => row("CreateContainerError", course, false, COURSE_TEXT),
            Self::RuntimeUnavailable => row("CreateContainerError", cluster, true, CLUSTER_TEXT),
            Self::StartError => row("StartError", course, false, COURSE_TEXT),
            Self::Unhealthy => row("Unhealthy", course, false, PROBE_TEXT),
            Self::FailedPostStartHook => row("FailedPostStartHook", course, false, PROBE_TEXT),
            Self::InitContainerError => row("InitContainerError", course, false, COURSE_TEXT),
            Self::Unschedulable => row("Unschedulable", cluster, true, CLUSTER_TEXT),
            Self::SchedulingGated => row("SchedulingGated", cluster, true, QUEUED_TEXT),
            Self::QuotaExceeded => row("QuotaExceeded", cluster, false, QUOTA_TEXT),
            Self::FailedMount => row("FailedMount", course, false, COURSE_TEXT),
            Self::VolumeUnavailable => row("FailedMount", cluster, true, CLUSTER_TEXT),
            Self::Evicted => row("Evicted", cluster, true, CLUSTER_TEXT),
            Self::Preempted => row("Preempted", cluster, true, CLUSTER_TEXT),
            Self::NodeLost => row("NodeLost", cluster, true, CLUSTER_TEXT),
            Self::Deleted => row("Deleted", cluster, true, CLUSTER_TEXT),
            Self::Rejected => row("Rejected", course, false, COURSE_TEXT),
            Self::UnexpectedAdmissionError => {
                row("UnexpectedAdmissionError", cluster, true, CLUSTER_TEXT)
            }
            Self::NoResults => row(
                "NoResults",
                course,
                false,
                "Your submission ran to its end, and no graded notebook was found afterwards. \
                 Please tell your course's staff.",
            ),
            Self::NoNotebook => row(
                "NoNotebook",
                Some(Student),
                false,
                "Nothing that you handed in is a notebook of this assignment. A notebook has to keep the name under \
                 which you got it.",
            ),
            Self::Other(_) => row("Other", cluster, true, CLUSTER_TEXT),
        }
    }

    /// The name: Kubernetes' reason where it has one.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Other(reason) => reason,
            known => known.row().name,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
