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
