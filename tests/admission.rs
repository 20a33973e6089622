//! The queue for a place among the pods in flight.

use kubegrader::cluster::{Admission, MaxPods};

#[test]
fn lectures_go_in_turn_and_each_knows_its_place() {
    let admission = Admission::new(MaxPods {
        in_process: Some(1),
        in_namespace: None,
    });
    let first = admission.queue("ns", "algebra").now().unwrap();
    let mut second = admission.queue("ns", "algebra");
    let third = admission.queue("ns", "algebra");
    let mut other = admission.queue("ns", "biology");
    let places = [&second, &other, &third].map(|ticket| admission.position(ticket.number()));
    assert_eq!(places, [Some(1), Some(2), Some(3)]);
    drop(first);
    let permit = second.now().unwrap();
    assert!(other.now().is_none());
    drop(permit);
    assert!(other.now().is_some());
}
