//! For how long an adopted pod has run: its time to run is one, whoever watches.

use std::time::Duration;

use http::header::DATE;
use kube::api::{GetParams, Request};
use kube::client::Body;

use super::Run;
use crate::cluster::retry::{Failure, once};
use crate::cluster::server_time::{Written, date};
use crate::pod_view::PodView;
use crate::verdict::{State, judge};

impl Run {
    /// How long the containers of an earlier run's pod have run at least: since its status last changed, both times by the API
    /// server's clock, since a node's or this machine's may be wrong and a student would pay for it. Zero where that is not told.
    pub(super) async fn ran_before(&self, pod: &PodView) -> Duration {
        if self.options.timeout.is_none() || judge(pod, self.manifest.restarts()) != State::Running
        {
            return Duration::ZERO;
        }
        let asked = Box::pin(self.ask_since_when(pod.uid())).await;
        asked.unwrap_or_default()
    }

    async fn ask_since_when(&self, uid: &str) -> Result<Duration, Failure> {
        let hopeless = |error: kube::core::request::Error| Failure::Hopeless(error.to_string());
        let pods = Request::new(format!("/api/v1/namespaces/{}/pods", self.namespace));
        let get = pods
            .get(&self.name, &GetParams::default())
            .map_err(hopeless)?;
        let client = self.connection.client();
        // kube's own `get` does not show an answer's headers.
        let answer = async {
            let answer = client.send(get.map(Body::from)).await?;
            let now = date(answer.headers().get(DATE));
            let body = answer.into_body().collect_bytes().await?;
            Ok((now, body))
        };
        let (now, body) = once(answer).await?;
        let is_same = serde_json::from_slice(&body).is_ok_and(|pod: PodView| pod.uid() == uid);
        let written: Written = serde_json::from_slice(&body).unwrap_or_default();
        let since = written.last_status().filter(|_| is_same);
        let ran = now.zip(since).map(|(now, since)| now.duration_since(since));
        Ok(ran
            .and_then(|ran| Duration::try_from(ran).ok())
            .unwrap_or_default())
    }
}
