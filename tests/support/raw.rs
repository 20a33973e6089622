//! A client that says whatever it likes over TLS.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::Kubeconfig;
use kubegrader::embedded::{EmbeddedCluster, Limits, Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A busy machine needs some of it; what takes longer hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that is silent for so long waits for more.
const QUIET: Duration = Duration::from_millis(50);

/// A served cluster on which no pod runs.
pub struct Raw {
    pub cluster: EmbeddedCluster,
    pub address: String,
    pub token: String,
    connector: TlsConnector,
    _server: Server,
    _folder: tempfile::TempDir,
}

/// What came back: the status code of the first answer, and all bytes.
pub struct Said {
    pub code: Option<u16>,
    pub bytes: Vec<u8>,
}

impl Said {
    pub fn body(&self) -> &[u8] {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        end.map_or(&[], |end| &self.bytes[end + 4..])
    }
}

impl Raw {
    pub async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cluster = EmbeddedCluster::start(Options {
            kubelet: false,
            ..Options::default()
        });
        let server = cluster
            .serve_with(folder.path(), limits)
            .await
            .expect("a server");
        let kubeconfig = Kubeconfig::read_from(&server.kubeconfig).expect("a kubeconfig");
        let user = kubeconfig.auth_infos[0].auth_info.as_ref().expect("a user");
        let token = serde_json::to_value(user).expect("JSON")["token"].clone();
        let of = kubeconfig.clusters[0].cluster.as_ref().expect("a cluster");
        let authority = of
            .certificate_authority_data
            .as_ref()
            .expect("an authority");
        let pem = STANDARD.decode(authority).expect("base64");
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&pem).expect("a certificate"))
            .expect("an authority");
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            cluster,
            address: server.url.trim_start_matches("https://").to_owned(),
            token: token.as_str().expect("a token").to_owned(),
            connector: TlsConnector::from(Arc::new(config)),
            _server: server,
            _folder: folder,
        }
    }

    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(&self.address).await.expect("connected");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let connected = timeout(PATIENCE, self.connector.connect(name, stream)).await;
        connected.expect("in time").expect("TLS")
    }

    /// Says something, hears what there is, and ends the own side: the server must end its own then.
    pub async fn say(&self, bytes: &[u8]) -> Said {
        let mut stream = self.connect().await;
        // The server may have heard enough before all was said.
        let _ = stream.write_all(bytes).await;
        let mut heard = Vec::new();
        let mut chunk = vec![0; 65536];
        while let Ok(Ok(more @ 1..)) = timeout(QUIET, stream.read(&mut chunk)).await {
            heard.extend_from_slice(&chunk[..more]);
        }
        let _ = stream.shutdown().await;
        listen(stream, heard).await
    }

    /// A whole request with the token, which asks for the end of the connection.
    pub fn request(&self, line: &str, more: &str) -> String {
        format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n{more}\r\n",
            self.token
        )
    }

    /// Sends a whole request and listens to the whole answer.
    pub async fn ask(&self, request: &str) -> Said {
        let mut stream = self.connect().await;
        let _ = stream.write_all(request.as_bytes()).await;
        listen(stream, Vec::new()).await
    }
}

/// Hears all that comes, after what was heard already.
pub async fn listen(mut stream: TlsStream<TcpStream>, heard: Vec<u8>) -> Said {
    let mut bytes = heard;
    // A connection that is reset has ended as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("an end of the connection");
    let code = bytes
        .strip_prefix(b"HTTP/1.1 ")
        .or(bytes.strip_prefix(b"HTTP/1.0 "))
        .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
    Said { code, bytes }
}
