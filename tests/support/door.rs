//! The way to an embedded server, which may lack rights, has a clock, and counts.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::header::{DATE, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode};
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::FaultService;
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};

/// A door that everything passes.
#[derive(Clone, Default)]
pub struct Door {
    forbidden: Vec<(Method, &'static str)>,
    forbidden_ends: Vec<(Method, &'static str)>,
    date: Option<&'static str>,
    written: Option<Value>,
    seen: Arc<Mutex<Vec<String>>>,
    before: Option<Arc<Before>>,
    strips_labels: bool,
    answers: Vec<Answers>,
}

/// What stands for the server's answers to requests with this method, whose path ends with this: one each.
type Answers = (Method, &'static str, Arc<Mutex<VecDeque<Value>>>);

/// What happens at the server just before a request arrives there.
type Before = Mutex<Option<(Method, Vec<Request<Body>>)>>;

impl Door {
    /// Requests with this method, whose path contains this, are forbidden.
    pub fn forbid(mut self, method: Method, part: &'static str) -> Self {
        self.forbidden.push((method, part));
        self
    }

    /// Requests with this method, whose path ends with this, are forbidden.
    pub fn forbid_end(mut self, method: Method, end: &'static str) -> Self {
        self.forbidden_ends.push((method, end));
        self
    }

    /// The time that the server tells.
    pub fn at(mut self, date: &'static str) -> Self {
        self.date = Some(date);
        self
    }

    /// The `managedFields` of a pod that is read, which the embedded server does not note.
    pub fn written(mut self, managed_fields: Value) -> Self {
        self.written = Some(managed_fields);
        self
    }

    /// So many requests with this method, whose path ends with this, are answered with this `Status`.
    pub fn answer(
        mut self,
        method: Method,
        end: &'static str,
        times: usize,
        status: &Value,
    ) -> Self {
        let answers = VecDeque::from(vec![status.clone(); times]);
        self.answers
            .push((method, end, Arc::new(Mutex::new(answers))));
        self
    }

    /// What is created loses its labels, as by an admission webhook.
    pub fn without_labels(mut self) -> Self {
        self.strips_labels = true;
        self
    }

    /// Before the first request with this method, even one that is forbidden, these requests of somebody else arrive.
    pub fn overtaken(mut self, method: Method, by: Vec<Request<Body>>) -> Self {
        self.before = Some(Arc::new(Mutex::new(Some((method, by)))));
        self
    }

    /// How many requests had this method and this in their path and query.
    pub fn count(&self, method: &Method, part: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        let wanted = |line: &&String| {
            line.strip_prefix(method.as_str())
                .is_some_and(|uri| uri.contains(part))
        };
        seen.iter().filter(wanted).count()
    }

    /// A cluster behind the door, with its faults.
    pub fn cluster(&self, embedded: &EmbeddedCluster) -> Cluster {
        let (server, door) = (embedded.faults().layer(), self.clone());
        let server = server.layer(embedded.router());
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let (server, door) = (server.clone(), door.clone());
            async move { door.pass(server, request).await }
        });
        Cluster::with_client(kube::Client::new(service, "default"), "in-process")
    }

    async fn pass(
        &self,
        server: FaultService<axum::Router>,
        request: Request<kube::client::Body>,
    ) -> io::Result<Response<Body>> {
        let line = format!("{} {}", request.method(), request.uri());
        self.seen.lock().unwrap().push(line);
        for other in self.overtaking(request.method()) {
            let answer = server.clone().oneshot(other).await?;
            assert!(answer.status().is_success(), "{answer:?}");
        }
        let path = request.uri().path().to_owned();
        let is_forbidden =
            |(method, part): &(Method, &str)| method == request.method() && path.contains(part);
        let is_end =
            |(method, end): &(Method, &str)| method == request.method() && path.ends_with(end);
        if self.forbidden.iter().any(is_forbidden) || self.forbidden_ends.iter().any(is_end) {
            // As the real server words it.
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden",
                "message": "pods is forbidden: User \"u\" cannot do this", "code": 403,
            });
            return Ok(answer(&status));
        }
        for (method, end, answers) in &self.answers {
            if method == request.method()
                && path.ends_with(end)
                && let Some(status) = answers.lock().unwrap().pop_front()
            {
                return Ok(answer(&status));
            }
        }
        let mut request = request.map(Body::new);
        if self.strips_labels && request.method() == Method::POST {
            let (head, body) = request.into_parts();
            let mut object = whole(body).await;
            object["metadata"]["labels"] = json!({});
            request = Request::from_parts(head, Body::from(object.to_string()));
        }
        let is_read = request.method() == Method::GET && path.ends_with("/pods/p");
        let mut response = server.oneshot(request).await?;
        if let Some(written) = self.written.as_ref().filter(|_| is_read) {
            let (head, body) = response.into_parts();
            let mut object = whole(body).await;
            object["metadata"]["managedFields"] = written.clone();
            response = Response::from_parts(head, Body::from(object.to_string()));
        }
        if let Some(date) = self.date {
            let date = HeaderValue::from_static(date);
            response.headers_mut().insert(DATE, date);
        }
        Ok(response)
    }

    fn overtaking(&self, method: &Method) -> Vec<Request<Body>> {
        let Some(before) = &self.before else {
            return Vec::new();
        };
        let mut before = before.lock().unwrap();
        match before.take() {
            Some((wanted, requests)) if wanted == *method => requests,
            other => {
                *before = other;
                Vec::new()
            }
        }
    }
}

fn answer(status: &Value) -> Response<Body> {
    let code = status["code"].as_u64().unwrap();
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = StatusCode::from_u16(u16::try_from(code).unwrap()).unwrap();
    response
}

async fn whole(body: Body) -> Value {
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
