//! Notifications of an observer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use grpc_client::{CallObserver, Observer, OnAttemptEnd, code_name};
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Response, Status};

use crate::{
    backend::{Backend, Handler, order},
    client::{builder, call, eventually, retrying},
    network::refused_address,
};

/// Records every notification as a line.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    fn record(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Recorder {
    fn start_call(&self, _: &str, path: &str) -> Option<Arc<dyn CallObserver>> {
        self.record(path.to_owned());
        Some(Arc::new(CallRecorder { recorder: self.clone(), code: Mutex::default() }))
    }
}

struct CallRecorder {
    recorder: Recorder,
    code: Mutex<Option<Code>>,
}

impl CallObserver for CallRecorder {
    fn start_attempt(&self, _: &str, number: u32, headers: &mut HeaderMap) -> OnAttemptEnd {
        headers.insert("x-attempt", HeaderValue::from(number));
        let recorder = self.recorder.clone();
        Box::new(move |code| recorder.record(format!("{number}: {}", code_name(code))))
    }

    fn set_status(&self, code: Code) {
        *self.code.lock().unwrap() = Some(code);
    }
}

impl Drop for CallRecorder {
    fn drop(&mut self) {
        let code = self.code.get_mut().unwrap().map_or("none", code_name);
        self.recorder.record(format!("call: {code}"));
    }
}

#[tokio::test]
async fn observer_sees_a_call_and_its_attempts_until_the_last_byte() {
    let numbers = Arc::<Mutex<Vec<String>>>::default();
    let backend = {
        let numbers = numbers.clone();
        Backend::start(Handler::new(move |request| {
            let mut numbers = numbers.lock().unwrap();
            numbers.push(request.metadata().get("x-attempt").unwrap().to_str().unwrap().to_owned());
            let is_first = numbers.len() == 1;
            std::future::ready(if is_first {
                Err(Status::unavailable(""))
            } else {
                Ok(Response::new(order(1)))
            })
        }))
    };
    let recorder = Recorder::default();
    let addresses = [refused_address(), backend.address];
    let channel = builder(&retrying(""), &addresses).observer(recorder.clone()).build().unwrap();
    call(&channel, 1).await.unwrap();
    assert_eq!(recorder.lines(), ["/Order/Get", "1: UNAVAILABLE", "2: UNAVAILABLE", "3: OK", "call: OK"]);
    assert_eq!(*numbers.lock().unwrap(), ["2", "3"]);
}

#[tokio::test]
async fn observer_sees_a_dropped_call_as_cancelled() {
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::echo_after(Duration::from_secs(60), &entered));
    let recorder = Recorder::default();
    let channel = builder("{}", &[backend.address]).observer(recorder.clone()).build().unwrap();
    let calling = tokio::spawn(async move { call(&channel, 1).await });
    eventually("a call", || entered.load(Ordering::Relaxed) == 1).await;
    calling.abort();
    eventually("its end", || recorder.lines().len() == 3).await;
    assert_eq!(recorder.lines(), ["/Order/Get", "1: CANCELLED", "call: CANCELLED"]);
}
