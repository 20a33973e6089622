//! The steps of a submission's life, one line each, with submission, attempt and pod.

use std::fmt;
use std::sync::Arc;

use log::Level;

use crate::lifecycle::RunOptions;
use crate::printable::printable;

type Sink = dyn Fn(Level, String) + Send + Sync;

/// Where the lines go; by default to the `log` crate, under the target `kubegrader`.
#[derive(Clone)]
pub struct Steps {
    sink: Arc<Sink>,
    least: Level,
    about: Arc<str>,
}

impl Default for Steps {
    fn default() -> Self {
        Self::new(|level, line| log::log!(target: "kubegrader", level, "{line}"))
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Steps({})", self.about)
    }
}

impl Steps {
    /// Lines that go to `sink`.
    pub fn new(sink: impl Fn(Level, String) + Send + Sync + 'static) -> Self {
        Self {
            sink: Arc::new(sink),
            least: Level::Info,
            about: "".into(),
        }
    }

    /// The same without lines of a lower level.
    #[must_use]
    pub fn from(self, least: Level) -> Self {
        Self { least, ..self }
    }

    /// The same sink, with each line saying which pod it is about.
    #[must_use]
    pub(crate) fn about(&self, options: &RunOptions, namespace: &str, pod: &str) -> Self {
        let about = match &options.submission {
            Some(submission) => format!(
                "submission {submission}, attempt {}, pod {namespace}/{pod}",
                options.attempt
            ),
            None => format!("pod {namespace}/{pod}"),
        };
        Self {
            sink: Arc::clone(&self.sink),
            least: self.least,
            about: about.into(),
        }
    }

    /// The same sink, for what concerns all pods of a namespace.
    #[must_use]
    pub(crate) fn of_namespace(&self, namespace: &str) -> Self {
        Self {
            sink: Arc::clone(&self.sink),
            least: self.least,
            about: format!("namespace {namespace}").into(),
        }
    }

    /// A step that went as it should.
    pub fn info(&self, step: &str) {
        self.tell(Level::Info, step);
    }

    /// Something that an operator may have to look at.
    pub fn warn(&self, step: &str) {
        self.tell(Level::Warn, step);
    }

    /// One step, one line: what a cluster or a container said in it cannot end the line or steer a terminal.
    fn tell(&self, level: Level, step: &str) {
        if level > self.least {
            return;
        }
        let mut line = String::with_capacity(self.about.len() + 2 + step.len());
        line.push_str(&self.about);
        line.push_str(": ");
        line.extend(step.chars().map(printable));
        (self.sink)(level, line);
    }
}
