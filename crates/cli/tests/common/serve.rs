//! `depeche serve`, running, and requests that are short to write.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{Project, Said};

/// A running `depeche serve`; killed when dropped.
pub(crate) struct Served {
    child: Child,
    address: String,
    /// The one document.
    pub(crate) document: Value,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A connection that is kept.
pub(crate) struct Line(BufReader<TcpStream>);

impl Served {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(project: &Project) -> Self {
        let mut child = project
            .command(&["serve", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let document: Value = loop {
            let length = stdout.read_line(&mut text).unwrap();
            if let Ok(document) = serde_json::from_str(&text) {
                break document;
            }
            if length == 0 {
                let mut errors = String::new();
                child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                panic!("it did not start: {text}\n{errors}");
            }
        };
        child.stdout = Some(stdout.into_inner());
        let address = document["listening"].as_str().unwrap().to_owned();
        Self { child, address, document }
    }

    pub(crate) fn line(&self) -> Line {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.set_nodelay(true).unwrap();
        Line(BufReader::new(stream))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.line().ask("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.line().ask("POST", path, headers, body)
    }

    /// A post that a mail program makes (RFC 8058, section 3.1).
    pub(crate) fn one_click(&self, path: &str) -> Answer {
        let form = ("content-type", "application/x-www-form-urlencoded");
        self.post(path, &[form], "List-Unsubscribe=One-Click")
    }

    /// SIGTERM, and what it ended with.
    pub(crate) fn stop(mut self) -> Said {
        self.terminate();
        let status = self.child.wait().unwrap();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Said { exit: status.code(), stdout, stderr }
    }

    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let done = std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Line {
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.begin(method, path, headers, body.len());
        self.write(body);
        let has_body = method != "HEAD";
        self.read(has_body)
    }

    /// The head of a request whose body is still to come.
    pub(crate) fn begin(&mut self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: presse.exemple.fr\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {length}\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes()).unwrap();
    }

    pub(crate) fn write(&mut self, body: &str) {
        self.0.get_mut().write_all(body.as_bytes()).unwrap();
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.read(true)
    }

    fn read(&mut self, has_body: bool) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).unwrap() > 0, "the line ended: {head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.filter(|_| has_body).map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Answer { status, head: lower, body: String::from_utf8(body).unwrap() }
    }
}
