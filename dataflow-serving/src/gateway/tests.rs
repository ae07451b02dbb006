//! Over real sockets: what a caller sees, and what the services were asked.

mod passing;
mod refusals;
mod streams;
mod upkeep;

use dataflow_upstream::{Behaviour, Fault, Upstream};
use futures::StreamExt;
use serde_json::{Value, json};

use super::*;

/// A gateway over services, the first with a thousand times the weight of the others, so that it is asked first.
struct Running {
    url: String,
    config: PathBuf,
    client: reqwest::Client,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<Result<()>>,
    _folder: tempfile::TempDir,
}

fn configuration(upstreams: &[&Upstream], models: &Value, gateway: &Value) -> Value {
    let model = |(index, _): (usize, &&Upstream)| {
        let mut model = json!({
            "id": format!("m{index}"), "model": format!("real-{index}"), "channel_id": index, "api_key": "sk-upstream-secret-key", "safe_rps": 0, "timeout": 5,
            "weight": if index == 0 { 1000.0 } else { 0.001 },
        });
        model.as_object_mut().unwrap().extend(models.as_object().unwrap().clone());
        model
    };
    let channels: serde_json::Map<String, Value> =
        upstreams.iter().enumerate().map(|(index, upstream)| (index.to_string(), json!({ "base_url": upstream.url().trim_end_matches("/v1") }))).collect();
    json!({ "models": upstreams.iter().enumerate().map(model).collect::<Vec<_>>(), "channels": channels, "gateway": gateway })
}

impl Running {
    fn start(upstreams: &[&Upstream], models: &Value, gateway: &Value) -> Self {
        Self::start_with(upstreams, models, gateway, Duration::from_secs(5))
    }

    fn start_with(upstreams: &[&Upstream], models: &Value, gateway: &Value, drain: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        std::fs::write(&config, configuration(upstreams, models, gateway).to_string()).unwrap();
        let options = GatewayOptions { config: config.clone(), host: "127.0.0.1".into(), port: 0, drain };
        let gateway = Gateway::bind(options).unwrap();
        let url = format!("http://{}", gateway.address());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = tokio::spawn(gateway.serve(async { _ = stopped.await }, std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, config, client, stop: Some(stop), served, _folder: folder }
    }

    async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", "application/json").header("authorization", "Bearer callers-own");
        request.body(body.to_string()).send().await.unwrap()
    }

    async fn chat(&self, body: &Value) -> (u16, http::HeaderMap, Value) {
        let response = self.post("/v1/chat/completions", body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    async fn stream(&self, body: &Value) -> (u16, String) {
        let mut body = body.clone();
        body["stream"] = true.into();
        let response = self.post("/v1/chat/completions", &body).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// A stream during which the gateway is told to end.
    async fn stream_over_the_end(&mut self) -> String {
        let mut body = question();
        body["stream"] = json!(true);
        let mut stream = self.post("/v1/chat/completions", &body).await.bytes_stream();
        let mut text = stream.next().await.unwrap().unwrap().to_vec();
        self.stop.take().unwrap().send(()).unwrap();
        while let Some(bytes) = stream.next().await {
            text.extend_from_slice(&bytes.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let bytes = self.client.get(format!("{}{path}", self.url)).send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

fn question() -> Value {
    json!({ "model": "auto", "messages": [{ "role": "user", "content": "Say it in some words." }] })
}

fn run(future: impl Future<Output = ()>) {
    rustls::crypto::ring::default_provider().install_default().ok(); // another test may have
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future);
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < patience, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The words of a stream, put together.
fn said(stream: &str) -> String {
    let chunks = stream.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).filter_map(|data| serde_json::from_str::<Value>(data).ok());
    chunks.filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str().map(ToOwned::to_owned)).collect()
}

/// A service that answers everything with one status and a plain text.
async fn plain_service(status: u16, text: &'static str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 64 << 10];
                let reply = format!("HTTP/1.1 {status} Told\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
                if stream.read(&mut request).await.is_ok() {
                    stream.write_all(reply.as_bytes()).await.ok(); // a caller may have left
                }
            });
        }
    });
    url
}
