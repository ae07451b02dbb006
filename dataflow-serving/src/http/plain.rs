//! HTTP/1.1 to a service without TLS and without a proxy on the way, such as a model server in the same network.
//!
//! A call drives its connection itself: no other task has to be woken for it, which is half of what a call costs elsewhere.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection that was not used for so long is not used again.
const LONGEST_IDLE: Duration = Duration::from_secs(55);

/// A service, and the connections to it that nobody uses now.
#[derive(Debug)]
pub(crate) struct PlainService {
    host: String,
    port: u16,
    connect_timeout: Duration,
    most_idle: usize,
    idle: Mutex<Vec<(Instant, Box<Line>)>>,
}

/// A connection, and the way to ask on it.
#[derive(Debug)]
struct Line {
    connection: Connection<TokioIo<TcpStream>, Full<Bytes>>,
    sender: SendRequest<Full<Bytes>>,
    /// It has come to its end; it may not be driven any more.
    ended: bool,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No connection came about.
    NoConnection(io::Error),
    /// The connection failed.
    Broken(hyper::Error),
}

/// A reply whose body is still to be read. Dropped before its end, it ends the connection.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    line: Option<Box<Line>>,
    service: Arc<PlainService>,
}

impl PlainService {
    pub fn new(host: &str, port: u16, connect_timeout: Duration, most_idle: usize) -> Self {
        let host = host.trim_matches(['[', ']']).to_owned(); // an IPv6 address has brackets in an address alone
        Self { host, port, connect_timeout, most_idle: most_idle.max(1), idle: Mutex::default() }
    }

    /// Sends a request, on a connection that is there or on a new one.
    pub(super) async fn post(self: &Arc<Self>, path: &Uri, headers: HeaderMap, body: Bytes) -> Result<Reply, Trouble> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.clone();
        *request.headers_mut() = headers;
        while let Some(mut line) = self.idle_line().await {
            match line.ask(request).await {
                Ok(response) => return Ok(self.reply(response, line)),
                // The service has closed it in this moment, and nothing has been sent.
                Err((Some(unsent), _)) => request = unsent,
                Err((None, error)) => return Err(Trouble::Broken(error)),
            }
        }
        let mut line = self.connect().await?;
        match line.ask(request).await {
            Ok(response) => Ok(self.reply(response, line)),
            Err((_, error)) => Err(Trouble::Broken(error)),
        }
    }

    fn reply(self: &Arc<Self>, response: Response<Incoming>, line: Box<Line>) -> Reply {
        let (head, body) = response.into_parts();
        Reply { status: head.status, headers: head.headers, body, line: Some(line), service: Arc::clone(self) }
    }

    async fn connect(&self) -> Result<Box<Line>, Trouble> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let connected = tokio::time::timeout(self.connect_timeout, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected.map_err(Trouble::NoConnection)?;
        stream.set_nodelay(true).ok(); // it works without, later
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Trouble::Broken)?;
        Ok(Box::new(Line { connection, sender, ended: false }))
    }

    /// A connection that nobody uses, and that its service has not closed.
    async fn idle_line(&self) -> Option<Box<Line>> {
        loop {
            let (since, mut line) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < LONGEST_IDLE && line.is_usable().await {
                return Some(line);
            }
        }
    }

    fn give_back(&self, line: Box<Line>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // The oldest are the first.
        let old = idle.iter().take_while(|(since, _)| since.elapsed() >= LONGEST_IDLE).count();
        idle.drain(..old);
        if idle.len() < self.most_idle {
            idle.push((Instant::now(), line));
        }
    }
}

impl Line {
    /// Whether a request can be sent on it.
    async fn is_usable(&mut self) -> bool {
        poll_fn(|context| {
            self.ended = self.ended || Pin::new(&mut self.connection).poll(context).is_ready();
            Poll::Ready(())
        })
        .await;
        !self.ended && self.sender.is_ready()
    }

    /// Sends a request and gives the head of its reply; or the error, with the request where nothing of it has been sent.
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, (Option<Request<Full<Bytes>>>, hyper::Error)> {
        let mut response = std::pin::pin!(self.sender.try_send_request(request));
        let (connection, ended) = (&mut self.connection, &mut self.ended);
        let answered = poll_fn(|context| {
            *ended = *ended || Pin::new(&mut *connection).poll(context).is_ready();
            response.as_mut().poll(context)
        });
        answered.await.map_err(|mut error| (error.take_message(), error.into_error()))
    }
}

impl Reply {
    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        loop {
            let Some(line) = &mut self.line else { return Ok(None) };
            let body = &mut self.body;
            let frame = poll_fn(|context| {
                if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
                    return Poll::Ready(frame);
                }
                line.ended = line.ended || Pin::new(&mut line.connection).poll(context).is_ready();
                Pin::new(&mut *body).poll_frame(context)
            });
            let Some(frame) = frame.await else { break };
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data)); // anything else is a trailer
            }
        }
        if let Some(mut line) = self.line.take()
            && line.is_usable().await
        {
            self.service.give_back(line);
        }
        Ok(None)
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Bytes, hyper::Error> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&second);
        while let Some(piece) = self.chunk().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}
