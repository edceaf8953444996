//! What an observer is told of calls and their attempts.

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
    backend::{Backend, Handler, order, own_ip},
    client::{builder, call, eventually, retrying},
};

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Diary {
    fn start_call(&self, _: &str, path: &str) -> Option<Arc<dyn CallObserver>> {
        self.note(path.to_owned());
        Some(Arc::new(Page { diary: self.clone(), code: Mutex::default() }))
    }
}

struct Page {
    diary: Diary,
    code: Mutex<Option<Code>>,
}

impl CallObserver for Page {
    fn start_attempt(&self, _: &str, number: u32, headers: &mut HeaderMap) -> OnAttemptEnd {
        headers.insert("x-attempt", HeaderValue::from(number));
        let diary = self.diary.clone();
        Box::new(move |code| diary.note(format!("{number}: {}", code_name(code))))
    }

    fn set_status(&self, code: Code) {
        *self.code.lock().unwrap() = Some(code);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let code = self.code.get_mut().unwrap().map_or("nothing", code_name);
        self.diary.note(format!("came to {code}"));
    }
}

#[tokio::test]
async fn a_call_and_each_of_its_attempts_are_told_of_until_the_last_byte() {
    let (calls, numbers) = (AtomicUsize::new(0), Arc::<Mutex<Vec<String>>>::default());
    let seen = numbers.clone();
    let backend = Backend::start(Handler::new(move |request| {
        let number = request.metadata().get("x-attempt").unwrap().to_str().unwrap().to_owned();
        seen.lock().unwrap().push(number);
        let answers = calls.fetch_add(1, Ordering::Relaxed) >= 1;
        async move { if answers { Ok(Response::new(order(1))) } else { Err(Status::unavailable("")) } }
    }));
    let gone = std::net::TcpListener::bind((own_ip(), 0)).unwrap().local_addr().unwrap();
    let diary = Diary::default();
    let channel = builder(&retrying(""), &[gone, backend.address]).observer(diary.clone()).build().unwrap();
    call(&channel, 1).await.unwrap();
    assert_eq!(diary.lines(), ["/Order/Get", "1: UNAVAILABLE", "2: UNAVAILABLE", "3: OK", "came to OK"]);
    assert_eq!(*numbers.lock().unwrap(), ["2", "3"]);
}

#[tokio::test]
async fn a_call_whose_caller_leaves_is_told_of_as_cancelled() {
    let entered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(Handler::echo_after(Duration::from_secs(60), &entered));
    let diary = Diary::default();
    let channel = builder("{}", &[backend.address]).observer(diary.clone()).build().unwrap();
    let calling = tokio::spawn(async move { call(&channel, 1).await });
    eventually("a call", || entered.load(Ordering::Relaxed) == 1).await;
    calling.abort();
    eventually("its end", || diary.lines().len() == 3).await;
    assert_eq!(diary.lines(), ["/Order/Get", "1: CANCELLED", "came to CANCELLED"]);
}
