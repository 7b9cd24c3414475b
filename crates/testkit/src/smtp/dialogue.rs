//! One connection, from the accept to the end.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::io::Io;
use super::record::Received;
use super::script::{Fault, Phase, TlsMode};
use super::server::Shared;

/// The connection is at its end.
struct Gone;

type Step<T = ()> = Result<T, Gone>;

/// What the client has said so far of one message.
#[derive(Default)]
struct Envelope {
    number: u64,
    from: String,
    mail_parameters: String,
    to: Vec<String>,
    rcpt_parameters: String,
}

pub(super) struct Dialogue {
    shared: Arc<Shared>,
    connection: u64,
    io: Option<Io>,
    buffer: Vec<u8>,
    alive: watch::Receiver<bool>,
    is_secure: bool,
    is_logged_in: bool,
    envelope: Option<Envelope>,
    /// The recipient that the current command is about, for rules.
    recipient: Option<String>,
}

impl Dialogue {
    pub(super) fn new(shared: Arc<Shared>, connection: u64, io: Io, alive: watch::Receiver<bool>) -> Self {
        Self {
            shared,
            connection,
            io: Some(io),
            buffer: Vec::new(),
            alive,
            is_secure: false,
            is_logged_in: false,
            envelope: None,
            recipient: None,
        }
    }

    /// Talks until either side ends it, or the server dies.
    pub(super) async fn run(mut self) {
        let mut alive = self.alive.clone();
        let died = async move {
            // An error means that the server was dropped: the same end.
            let _ = alive.wait_for(|alive| !*alive).await.map(|_| ());
        };
        tokio::select! {
            biased;
            () = died => {
                if let Some(io) = &self.io {
                    io.reset_on_close();
                }
            }
            _ = self.talk() => {}
        }
    }

    async fn talk(&mut self) -> Step {
        self.answer(Phase::Connect, "").await?;
        if let TlsMode::Implicit(config) = self.shared.script.tls.clone() {
            self.handshake(config).await?;
        }
        let greeting = format!("220 {} ESMTP fake", self.shared.script.name);
        self.answer(Phase::Banner, &greeting).await?;
        loop {
            let line = self.line().await?;
            self.note(&line);
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" | "HELO" => self.ehlo().await?,
                "STARTTLS" => self.starttls().await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" => self.mail(rest).await?,
                "RCPT" => self.rcpt(rest).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.envelope = None;
                    self.answer(Phase::Rset, "250 2.0.0 forgotten").await?;
                }
                "NOOP" => self.say("250 2.0.0 ok").await?,
                "QUIT" => {
                    self.answer(Phase::Quit, "221 2.0.0 bye").await?;
                    return Err(Gone);
                }
                _ => self.say("500 5.5.1 unknown command").await?,
            }
        }
    }

    async fn ehlo(&mut self) -> Step {
        self.envelope = None;
        let mut lines = vec![self.shared.script.name.clone()];
        lines.extend(self.shared.script.keywords.iter().cloned());
        if matches!(self.shared.script.tls, TlsMode::StartTls(_)) && !self.is_secure {
            lines.push("STARTTLS".to_owned());
        }
        let last = lines.len() - 1;
        let lines: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| format!("250{}{line}", if index == last { ' ' } else { '-' }))
            .collect();
        self.answer(Phase::Ehlo, &lines.join("\r\n")).await?;
        Ok(())
    }

    async fn starttls(&mut self) -> Step {
        let TlsMode::StartTls(config) = self.shared.script.tls.clone() else {
            return self.say("502 5.5.1 no TLS here").await;
        };
        let code = self.answer(Phase::StartTls, "220 2.0.0 go ahead").await?;
        if code != Some(220) {
            return Ok(());
        }
        self.buffer.clear();
        self.handshake(config).await
    }

    async fn handshake(&mut self, config: Arc<ServerConfig>) -> Step {
        match self.take(Phase::Handshake) {
            None => {}
            Some(Fault::Late(wait)) => tokio::time::sleep(wait).await,
            Some(fault) => {
                self.perform(fault, "").await?;
                return Err(Gone);
            }
        }
        match self.io.take() {
            Some(Io::Tcp(stream)) => {
                let stream =
                    tokio_rustls::TlsAcceptor::from(config).accept(stream).await.map_err(|_| Gone)?;
                self.io = Some(Io::Tls(Box::new(stream)));
                self.is_secure = true;
                Ok(())
            }
            _ => Err(Gone),
        }
    }

    async fn auth(&mut self, rest: &str) -> Step {
        let Some((user, password)) = self.shared.script.login.clone() else {
            return self.say("503 5.5.1 no AUTH here").await;
        };
        // A fault stands in for the whole exchange: it answers the first command.
        if let Some(fault) = self.take(Phase::Auth) {
            let code = said(&fault, "235 2.7.0 welcome");
            self.perform(fault, "235 2.7.0 welcome").await?;
            self.is_logged_in = code == Some(235);
            return Ok(());
        }
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let token = if initial.is_empty() { self.challenge("").await? } else { decode(initial) };
                let mut parts = token.split('\0').skip(1).map(str::to_owned);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            "LOGIN" => (self.challenge("Username:").await?, self.challenge("Password:").await?),
            _ => return self.say("504 5.5.4 unknown mechanism").await,
        };
        self.is_logged_in = given == (user, password);
        if self.is_logged_in {
            self.say("235 2.7.0 welcome").await
        } else {
            self.say("535 5.7.8 authentication failed").await
        }
    }

    async fn challenge(&mut self, prompt: &str) -> Step<String> {
        self.say(&format!("334 {}", BASE64.encode(prompt))).await?;
        Ok(decode(&self.line().await?))
    }

    async fn mail(&mut self, rest: &str) -> Step {
        if self.shared.script.demands_auth && !self.is_logged_in {
            return self.say("530 5.7.0 authentication required").await;
        }
        if self.envelope.is_some() {
            return self.say("503 5.5.1 nested MAIL").await;
        }
        let number = {
            let record = &mut self.shared.state().record;
            record.begun += 1;
            record.begun
        };
        let (from, mail_parameters) = path(rest);
        self.recipient = None;
        self.envelope = Some(Envelope { number, from, mail_parameters, ..Envelope::default() });
        let code = self.answer(Phase::Mail, "250 2.1.0 sender ok").await?;
        if code != Some(250) {
            self.envelope = None;
        }
        Ok(())
    }

    async fn rcpt(&mut self, rest: &str) -> Step {
        if self.envelope.is_none() {
            return self.say("503 5.5.1 need MAIL").await;
        }
        let (to, parameters) = path(rest);
        self.recipient = Some(to.to_lowercase());
        let code = self.answer(Phase::Rcpt, "250 2.1.5 recipient ok").await?;
        if let Some(envelope) = self.envelope.as_mut().filter(|_| code.is_some_and(|code| code / 100 == 2)) {
            envelope.to.push(to);
            envelope.rcpt_parameters = parameters;
        }
        Ok(())
    }

    async fn data(&mut self) -> Step {
        let has_recipient = self.envelope.as_ref().is_some_and(|envelope| !envelope.to.is_empty());
        let ordinary = if has_recipient { "354 go ahead" } else { "554 5.5.1 no valid recipients" };
        let code = self.answer(Phase::Data, ordinary).await?;
        if code != Some(354) {
            return Ok(());
        }
        let bytes = self.body().await?;
        let envelope = self.envelope.take().unwrap_or_default();
        let ordinary = if envelope.to.is_empty() {
            "554 5.5.1 no valid recipients".to_owned()
        } else {
            format!("250 2.0.0 Ok: queued as F{:06}", envelope.number)
        };
        self.recipient = envelope.to.last().map(|to| to.to_lowercase());
        let fault = self.take_at(Phase::FinalDot, envelope.number);
        let answer = fault.as_ref().map_or_else(|| code_of(&ordinary), |fault| said(fault, &ordinary));
        // Recorded before it is answered, so that a test that has the answer finds the record.
        self.shared.state().record.messages.push(Received {
            number: envelope.number,
            connection: self.connection,
            from: envelope.from,
            mail_parameters: envelope.mail_parameters,
            to: envelope.to,
            rcpt_parameters: envelope.rcpt_parameters,
            bytes,
            answer,
        });
        self.recipient = None;
        match fault {
            Some(fault) => self.perform(fault, &ordinary).await,
            None => self.say(&ordinary).await,
        }
    }

    /// Reads up to the terminator and takes out the added dots.
    async fn body(&mut self) -> Step<Vec<u8>> {
        let number = self.message();
        let mut done = None;
        let mut searched = 0;
        let early = self.buffer.len() as u64;
        self.shared.state().record.body_bytes += early;
        loop {
            let end = terminator(&self.buffer, searched);
            let here = end.unwrap_or(self.buffer.len());
            let point = self.shared.state().body_point(done, number, self.recipient.as_deref());
            if let Some(at) = point.filter(|at| *at <= here) {
                done = Some(at);
                if let Some(fault) = self.take(Phase::Body(at)) {
                    self.perform(fault, "").await?;
                }
                continue;
            }
            if let Some(end) = end {
                let raw: Vec<u8> = self.buffer.drain(..end).collect();
                let behind = self.buffer.len() as u64;
                self.shared.state().record.body_bytes -= behind;
                return Ok(unstuff(&raw));
            }
            searched = self.buffer.len().saturating_sub(4);
            let read = self.fill().await?;
            self.shared.state().record.body_bytes += read as u64;
        }
    }

    /// Answers, or does what a rule says instead; gives the code with which to go on.
    async fn answer(&mut self, phase: Phase, ordinary: &str) -> Step<Option<u16>> {
        let Some(fault) = self.take(phase) else {
            self.say(ordinary).await?;
            return Ok(code_of(ordinary));
        };
        let code = said(&fault, ordinary).or_else(|| code_of(ordinary));
        self.perform(fault, ordinary).await?;
        Ok(code)
    }

    async fn perform(&mut self, fault: Fault, ordinary: &str) -> Step {
        match fault {
            Fault::Close => Err(Gone),
            Fault::Reset => {
                if let Some(io) = &self.io {
                    io.reset_on_close();
                }
                Err(Gone)
            }
            Fault::Silence => self.listen_on().await,
            Fault::Late(wait) => {
                tokio::time::sleep(wait).await;
                self.say(ordinary).await
            }
            Fault::Reply(reply) => self.say(&reply).await,
            Fault::ReplyThenClose(reply) => {
                self.say(&reply).await?;
                Err(Gone)
            }
            Fault::FollowedBy(more) => {
                let line_end = if ordinary.is_empty() { "" } else { "\r\n" };
                self.write(format!("{ordinary}{line_end}{more}").as_bytes()).await
            }
            Fault::Raw(bytes) => self.write(&bytes).await,
            Fault::Garbage => self.write(b"\x00\xff\xfe 25x \x07garbage\r\n\x80\x81\r\n").await,
            Fault::LongLine(length) => {
                let mut line = b"250 ".to_vec();
                line.resize(length, b'a');
                line.extend_from_slice(b"\r\n");
                self.write(&line).await
            }
            Fault::Endless => loop {
                self.write(b"250-and on and on and on and on and on and on and on and on\r\n").await?;
                tokio::task::yield_now().await;
            },
            Fault::Drip(pause) => {
                for byte in format!("{ordinary}\r\n").bytes() {
                    self.write(&[byte]).await?;
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            }
            Fault::Die(back_after) => {
                self.shared.die(back_after);
                // The death ends this connection too, with a reset.
                std::future::pending().await
            }
        }
    }

    /// Reads and says nothing, until the client leaves.
    async fn listen_on(&mut self) -> Step {
        loop {
            self.buffer.clear();
            self.fill().await?;
        }
    }

    fn take(&self, phase: Phase) -> Option<Fault> {
        self.take_at(phase, self.message())
    }

    fn take_at(&self, phase: Phase, message: u64) -> Option<Fault> {
        self.shared.state().fault(phase, message, self.recipient.as_deref())
    }

    /// The number of the message that is on, or of the next one.
    fn message(&self) -> u64 {
        match &self.envelope {
            Some(envelope) => envelope.number,
            None => self.shared.state().record.begun + 1,
        }
    }

    fn note(&self, line: &str) {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        // A login never lands in a record that a failing test prints.
        let kept = if verb == "AUTH" { "AUTH …" } else { line };
        let record = &mut self.shared.state().record;
        record.lines.push((self.connection, kept.to_owned()));
        *record.commands.entry(verb).or_default() += 1;
    }

    async fn line(&mut self) -> Step<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.buffer.len() > LONGEST_COMMAND {
                return Err(Gone);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Step<usize> {
        let io = self.io.as_mut().ok_or(Gone)?;
        match io.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Gone),
            Ok(read) => Ok(read),
        }
    }

    async fn say(&mut self, reply: &str) -> Step {
        if reply.is_empty() {
            return Ok(());
        }
        self.write(format!("{reply}\r\n").as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Step {
        let io = self.io.as_mut().ok_or(Gone)?;
        // A client that no longer reads must not hold a test for ever.
        let written = tokio::time::timeout(LONGEST_WRITE, async {
            io.write_all(bytes).await?;
            io.flush().await
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

/// The code that the client hears, where the fault lets it hear one.
fn said(fault: &Fault, ordinary: &str) -> Option<u16> {
    match fault {
        Fault::Reply(reply) | Fault::ReplyThenClose(reply) => code_of(reply),
        Fault::Late(_) | Fault::FollowedBy(_) | Fault::Drip(_) => code_of(ordinary),
        _ => None,
    }
}

fn code_of(reply: &str) -> Option<u16> {
    reply.get(..3)?.parse().ok()
}

/// `FROM:<a@b> SIZE=1` gives `a@b` and `SIZE=1`.
fn path(rest: &str) -> (String, String) {
    let inside = rest.split_once('<').map_or(rest, |(_, inside)| inside);
    match inside.rsplit_once('>') {
        Some((address, parameters)) => (address.to_owned(), parameters.trim().to_owned()),
        None => (inside.to_owned(), String::new()),
    }
}

fn decode(text: &str) -> String {
    BASE64.decode(text.trim()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Where the bytes behind the terminator begin, looking from `searched` on. Only CR LF ends a line
/// (RFC 5321, section 2.3.8).
fn terminator(bytes: &[u8], searched: usize) -> Option<usize> {
    if bytes.starts_with(b".\r\n") {
        return Some(3);
    }
    let ahead = bytes.get(searched..)?;
    ahead.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| searched + at + 5)
}

/// Takes out the terminator and the added dots (RFC 5321, section 4.5.2).
fn unstuff(raw: &[u8]) -> Vec<u8> {
    let content = raw.strip_suffix(b".\r\n").unwrap_or(raw);
    let mut bytes = Vec::with_capacity(content.len());
    let mut at_line_start = true;
    for (index, byte) in content.iter().enumerate() {
        if !(at_line_start && *byte == b'.') {
            bytes.push(*byte);
        }
        at_line_start = *byte == b'\n' && index > 0 && content[index - 1] == b'\r';
    }
    bytes
}

const LONGEST_COMMAND: usize = 64 * 1024;
const LONGEST_WRITE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dot_alone_between_two_crlf_ends_a_message() {
        assert_eq!(terminator(b".\r\n", 0), Some(3));
        assert_eq!(terminator(b"a\r\n.\r\nQUIT", 1), Some(6));
        for open in [&b"a\n.\nb"[..], b"a\r\n..\r\n", b"a\r\n.", b"a\n.\r\n", b"a.\r\n"] {
            assert_eq!(terminator(open, 0), None, "{open:?}");
        }
    }

    #[test]
    fn added_dots_are_taken_out_once() {
        assert_eq!(unstuff(b"..a\r\n...\r\nb.\r\n.\r\n"), b".a\r\n..\r\nb.\r\n");
    }
}
