//! What a container runtime says that is no fault of what it was asked for: it did not answer in time, or its node's disk is full.
//! Another node, or the same one later, would have done it.

/// Words of containerd, CRI-O and the kubelet: a request that took too long (`context.DeadlineExceeded` of Go, and gRPC's code of
/// that name), the name that such a request left behind (containerd/containerd#4604, cri-o/cri-o#8906), a runtime that is being
/// started anew, `ENOSPC`, and a layer that is gone from the node's store (containerd/containerd#3604).
const SIGNS: [&str; 7] = [
    "context deadline exceeded",
    "code = DeadlineExceeded",
    "code = Unavailable",
    "failed to reserve container name",
    "no space left on device",
    "content digest",
    "failed to extract layer",
];

/// Whether a message of a pull, a create or a start speaks of the node and not of what was asked for.
pub(crate) fn is_of_node(message: &str) -> bool {
    SIGNS.iter().any(|sign| message.contains(sign))
}
