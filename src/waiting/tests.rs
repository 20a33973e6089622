use super::*;

/// As docs/reliability.md has them.
#[test]
fn each_cause_has_a_patience_of_its_own() {
    for (cause, seconds) in [
        (Cause::InvalidImageName, Some(0)),
        (Cause::ErrImageNeverPull, Some(0)),
        (Cause::ErrImagePull, Some(30)),
        (Cause::CreateContainerConfigError, Some(30)),
        (Cause::CreateContainerError, Some(30)),
        (Cause::StartError, Some(30)),
        (Cause::FailedMount, Some(120)),
        (Cause::RegistryUnavailable, Some(300)),
        (Cause::ImageInspectError, Some(300)),
        (Cause::RuntimeUnavailable, Some(300)),
        (Cause::VolumeUnavailable, Some(300)),
        (Cause::Unschedulable, None),
        (Cause::SchedulingGated, None),
        (Cause::InitContainerError, None),
        (Cause::Other("NobodyKnows".to_owned()), None),
    ] {
        let waiting = Waiting {
            message: String::new(),
            cause,
        };
        assert_eq!(
            waiting.patience(),
            seconds.map(Duration::from_secs),
            "{waiting:?}"
        );
    }
}

#[test]
fn what_the_nodes_own_parts_cannot_do_is_no_fault_of_what_they_were_asked_for() {
    for (reason, message, cause) in [
        (
            "CreateContainerConfigError",
            "failed to sync secret cache: timed out waiting for the condition",
            Cause::RuntimeUnavailable,
        ),
        (
            "CreateContainerConfigError",
            "secret \"token\" not found",
            Cause::CreateContainerConfigError,
        ),
        (
            "ErrImagePull",
            "failed to prepare extraction snapshot: parent snapshot sha256:b does not exist: not found",
            Cause::RegistryUnavailable,
        ),
        (
            "CreateContainerError",
            "failed to get sandbox container task: no running task found: task b not found: not found",
            Cause::RuntimeUnavailable,
        ),
    ] {
        assert_eq!(waiting_cause(reason, message), Some(cause), "{message}");
    }
}
