//! What kubegrader takes for granted of a Kubernetes API server, tested in the same words on three: the embedded
//! cluster in process, the same through its socket, and a real cluster.
//!
//! The expected values are literals and those of a real Kubernetes 1.34; [`scene::plain`] says in what two right
//! answers may differ. The real cluster is asked for with
//! `KUBECONFIG=... IMAGE=... cargo test --test contract -- --ignored`.

mod scene;

/// Makes three tests of each case.
macro_rules! contract {
    ($($(#[$about:meta])* async fn $name:ident($scene:ident: &Scene) $body:block)*) => {$(
        mod $name {
            #[allow(clippy::wildcard_imports, unused_imports, reason = "a case sees what its file imports")]
            use super::*;

            $(#[$about])*
            async fn case($scene: &Scene) $body

            #[tokio::test]
            async fn in_process() {
                crate::scene::play(crate::scene::Leg::InProcess, case).await;
            }

            #[tokio::test]
            async fn on_loopback() {
                crate::scene::play(crate::scene::Leg::Loopback, case).await;
            }

            #[tokio::test]
            #[ignore = "needs KUBECONFIG and IMAGE"]
            async fn on_a_real_cluster() {
                crate::scene::play(crate::scene::Leg::Real, case).await;
            }
        }
    )*};
}

mod access;
mod create;
mod delete;
mod discovery;
mod dry_run;
mod events;
mod eviction;
mod get;
mod list;
mod log;
mod namespaces;
mod patch;
mod replace;
mod table;
mod watch;
