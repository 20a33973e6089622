//! What a container runtime says that is no fault of what it was asked for: it did not answer in time, or its node's disk is full.
//! Another node, or the same one later, would have done it.

/// Words of containerd, CRI-O and the kubelet: a request that took too long (`context.DeadlineExceeded` of Go, and gRPC's code of
/// that name), the name that such a request left behind (containerd/containerd#4604, cri-o/cri-o#8906), a runtime that is being
/// started anew, `ENOSPC`, a layer that is gone from the node's store (containerd/containerd#3604, #2382), a kernel or driver that is
/// at its end (opencontainers/runc#4905; libnvidia-container), a sandbox that is gone (k3s-io/k3s#1589), and a kubelet that has not
/// heard of what the Pod names yet (kubernetes/kubernetes#117972).
const SIGNS: [&str; 13] = [
    "context deadline exceeded",
    "code = DeadlineExceeded",
    "code = Unavailable",
    "failed to reserve container name",
    "no space left on device",
    "content digest",
    "failed to extract layer",
    "parent snapshot",
    "can't get final child's PID from pipe",
    "driver not loaded",
    "no running task found",
    "failed to sync secret cache",
    "failed to sync configmap cache",
];

/// Whether a message of a pull, a create or a start speaks of the node and not of what was asked for.
pub(crate) fn is_of_node(message: &str) -> bool {
    SIGNS.iter().any(|sign| message.contains(sign))
}
