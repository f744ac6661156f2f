//! A client that keeps its connection while it can, and hangs up where it is told to.

use std::time::Duration;

use aipassport_domain::ids::CallId;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use super::question::HangUp;
use crate::support::TestBroker;

/// How long nothing has to come until nothing more does.
const SILENCE: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Client(Option<Connection>);

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What a client was told, where it waited for it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) call_id: CallId,
    pub(super) status: u16,
}

impl Client {
    /// Sends the request and reads its answer; `None` where there was none to be heard.
    pub(super) async fn send(
        &mut self,
        broker: &TestBroker,
        request: Request<Full<Bytes>>,
        hang_up: Option<HangUp>,
    ) -> Option<Heard> {
        let mut connection = self.connection(broker).await;
        let answering = connection.sender.send_request(request);
        let answer = if hang_up == Some(HangUp::AtOnce) {
            timeout(Duration::from_millis(1), answering).await.ok()?
        } else {
            answering.await
        };
        // Where the upstream broke off before the head had left, so does the broker.
        let answer = answer.ok()?;
        let heard = Heard {
            call_id: CallId::new(answer.headers()["aipassport-request-id"].to_str().unwrap()),
            status: answer.status().as_u16(),
        };
        if read(answer, hang_up).await {
            self.0 = Some(connection);
        }
        Some(heard)
    }

    /// The connection of the call before, if that left it fit for another.
    async fn connection(&mut self, broker: &TestBroker) -> Connection {
        if let Some(mut connection) = self.0.take()
            && connection.sender.ready().await.is_ok()
        {
            return connection;
        }
        Connection::open(broker).await
    }
}

impl Connection {
    async fn open(broker: &TestBroker) -> Self {
        let stream = TcpStream::connect(broker.address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(async move {
            // An answer that breaks off breaks the connection too.
            let _ = connection.await;
        });
        Self { sender, driver }
    }
}

/// Whether the answer was read to its end.
async fn read(answer: Response<Incoming>, hang_up: Option<HangUp>) -> bool {
    let mut body = answer.into_body();
    let mut left = match hang_up {
        Some(HangUp::After(bytes)) => bytes,
        _ => usize::MAX,
    };
    loop {
        let frame = if hang_up == Some(HangUp::AtSilence) {
            let Ok(frame) = timeout(SILENCE, body.frame()).await else {
                return false;
            };
            frame
        } else {
            body.frame().await
        };
        let Some(frame) = frame else { return true };
        let Ok(frame) = frame else { return false };
        left = left.saturating_sub(frame.into_data().map_or(0, |data| data.len()));
        if left == 0 {
            return false;
        }
    }
}
