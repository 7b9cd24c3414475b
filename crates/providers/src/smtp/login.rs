//! AUTH PLAIN and LOGIN (RFC 4954).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use depeche_core::secret::ExposeSecret;
use lettre::transport::smtp::authentication::{Credentials as Sasl, Mechanism};

use super::Phase;
use super::config::Credentials;
use super::connect::Heard;
use super::failure::Failure;
use super::features::Features;
use super::line::Line;
use super::reply::Reply;

/// Logs in, or says why not.
pub(super) async fn login(
    line: &mut Line,
    features: &Features,
    credentials: &Credentials,
    limit: Duration,
    heard: Heard<'_>,
) -> Result<(), Failure> {
    let mut talk = Talk { line, limit, heard };
    let reply = if features.auth_plain {
        plain(&mut talk, credentials).await?
    } else if features.auth_login {
        by_login(&mut talk, credentials).await?
    } else {
        return Err(Failure::NoMechanism);
    };
    // RFC 4954, section 4: 235 is the one yes.
    if reply.code() == 235 {
        return Ok(());
    }
    let password = credentials.password.expose_secret();
    let in_base64 = BASE64.encode(password);
    let reply = reply.without(&[&plain_token(credentials), password, &in_base64]);
    Err(Failure::reply(Phase::Auth, reply))
}

async fn plain(talk: &mut Talk<'_>, credentials: &Credentials) -> Result<Reply, Failure> {
    let token = plain_token(credentials);
    let reply = talk.ask(&format!("AUTH PLAIN {token}\r\n")).await?;
    // A server that does not take the initial response asks for it.
    if reply.code() == 334 { talk.ask(&format!("{token}\r\n")).await } else { Ok(reply) }
}

/// RFC 4616: NUL, user name, NUL, password.
fn plain_token(credentials: &Credentials) -> String {
    let sasl = Sasl::new(credentials.username.clone(), credentials.password.expose_secret().to_owned());
    BASE64.encode(Mechanism::Plain.response(&sasl, None).expect("PLAIN needs no challenge"))
}

/// The challenges say "Username:" and "Password:" in many spellings; the order never differs
/// (draft-murchison-sasl-login-00).
async fn by_login(talk: &mut Talk<'_>, credentials: &Credentials) -> Result<Reply, Failure> {
    let mut reply = talk.ask("AUTH LOGIN\r\n").await?;
    for answer in [credentials.username.as_str(), credentials.password.expose_secret()] {
        if reply.code() != 334 {
            return Ok(reply);
        }
        reply = talk.ask(&format!("{}\r\n", BASE64.encode(answer))).await?;
    }
    Ok(reply)
}

struct Talk<'a> {
    line: &'a mut Line,
    limit: Duration,
    heard: Heard<'a>,
}

impl Talk<'_> {
    async fn ask(&mut self, command: &str) -> Result<Reply, Failure> {
        self.line.write(command.as_bytes(), self.limit).await.map_err(Failure::line(Phase::Auth))?;
        let reply = self.line.reply(self.limit).await.map_err(Failure::line(Phase::Auth))?;
        (self.heard)();
        self.line.nothing_buffered().map_err(Failure::line(Phase::Auth))?;
        Ok(reply)
    }
}
