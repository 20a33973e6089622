//! What is known to be wrong in the lifecycle, and is left out of the schedules until it is mended. Each entry has a test
//! of its own in `found.rs` that is ignored; with the bug goes the entry.

use kubegrader::cause::Cause;
use kubegrader::embedded::faults::{Fault, Verb};

use super::schedule::Schedule;

/// Faults that no schedule has.
pub fn left_out(fault: Fault, verb: Verb) -> bool {
    // `a_delete_that_is_refused_for_its_token_is_repeated`,
    // `a_read_after_an_unanswered_create_that_is_refused_for_its_token_is_repeated`
    matches!(verb, Verb::Delete | Verb::Get) && fault == Fault::Unauthorized
}

/// Faults that do not go on for ever: `a_list_that_is_always_expired_is_not_asked_for_without_a_pause`.
pub fn ends(fault: Fault) -> bool {
    matches!(fault, Fault::Gone(_))
}

/// Wrong verdicts that are let pass: `nobody_is_blamed_for_a_deadline_that_passed_while_the_api_was_away`.
pub fn excuses(cause: &Cause, schedule: &Schedule) -> bool {
    *cause == Cause::DeadlineExceeded && schedule.can_be_blind()
}
