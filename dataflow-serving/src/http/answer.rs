//! The reply of a service to one request, whichever way it came.

use bytes::Bytes;
use dataflow_core::serving::ErrorClass;
use http::{HeaderMap, StatusCode};

use super::cause;
use super::plain::{Reply, Trouble};
use crate::api::classify::Failure;

/// A reply whose body is still to be read. Dropped before its end, it ends the call at the service.
#[derive(Debug)]
pub(crate) struct Answer(Way);

#[derive(Debug)]
enum Way {
    Plain(Box<Reply>),
    Client(Box<reqwest::Response>),
}

impl Answer {
    pub(super) fn plain(reply: Result<Reply, Trouble>) -> Result<Self, Failure> {
        match reply {
            Ok(reply) => Ok(Self(Way::Plain(Box::new(reply)))),
            Err(Trouble::NoConnection(error)) => Err(no_connection(&error)),
            Err(Trouble::Broken(error)) => Err(broken(&error)),
        }
    }

    pub(super) fn client(reply: reqwest::Result<reqwest::Response>) -> Result<Self, Failure> {
        match reply {
            Ok(reply) => Ok(Self(Way::Client(Box::new(reply)))),
            Err(error) if error.is_connect() && error.is_timeout() => Err(no_connection(&std::io::Error::from(std::io::ErrorKind::TimedOut))),
            Err(error) if error.is_connect() => Err(no_connection(&error)),
            Err(error) => Err(broken(&error)),
        }
    }

    pub fn status(&self) -> StatusCode {
        match &self.0 {
            Way::Plain(reply) => reply.status,
            Way::Client(reply) => reply.status(),
        }
    }

    pub fn headers(&self) -> &HeaderMap {
        match &self.0 {
            Way::Plain(reply) => &reply.headers,
            Way::Client(reply) => reply.headers(),
        }
    }

    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        match &mut self.0 {
            Way::Plain(reply) => reply.chunk().await.map_err(|error| cut(&error)),
            Way::Client(reply) => reply.chunk().await.map_err(|error| cut(&error)),
        }
    }

    /// The whole body.
    pub async fn bytes(self) -> Result<Bytes, Failure> {
        match self.0 {
            Way::Plain(reply) => reply.bytes().await.map_err(|error| cut(&error)),
            Way::Client(reply) => reply.bytes().await.map_err(|error| cut(&error)),
        }
    }
}

fn no_connection(error: &dyn std::error::Error) -> Failure {
    Failure::new(ErrorClass::Unreachable, format!("no connection: {}", cause(error)))
}

fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::new(ErrorClass::Transient, format!("the connection failed: {}", cause(error)))
}

fn cut(error: &dyn std::error::Error) -> Failure {
    Failure::new(ErrorClass::Transient, format!("the reply was cut: {}", cause(error)))
}
