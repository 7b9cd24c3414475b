//! `serve`: takes webhooks and opt-outs over HTTP until it is told to stop.
//!
//! HTTP/1.1 without TLS, for a proxy in front (docs/after-the-send.md). SIGTERM or Ctrl-C: no new
//! connection, requests in flight end, the journal is closed, exit 0.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use depeche::receiver::serve::{Limits, serve};
use depeche::receiver::{JournalSink, Metrics, Receiver};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, ServeConfig};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::store;
use crate::unix::Signals;
use crate::words::say;

/// So long a bad address waits before it is judged with its run.
const JUDGE_EVERY: Duration = Duration::from_secs(2);

/// Does what was asked.
pub(crate) async fn run(context: &Context<'_>) -> Done {
    let out = context.out;
    let config = context.config()?;
    let Some(asked) = &config.serve else {
        let hint = say!(out, "serve-none-hint");
        return Err(Failure::usage("serve.none", say!(out, "serve-none")).with_hint(hint));
    };
    // Heard from here on: a service that is stopped while it starts must stop.
    let signals = Signals::listen();
    out.log_receiver();
    let settings = config.receiver_settings(asked)?;
    let has_links = settings.opt_out.is_some();
    let journal = store::open(&config, context).await?;
    let sink = JournalSink::new(Arc::clone(&journal), Arc::clone(&context.clock));
    let metrics = Arc::new(Metrics::default());
    let receiver = Receiver::new(settings, Arc::new(sink.clone()), Arc::clone(&context.clock), metrics)
        .map_err(|refused| {
            let problems = refused.iter().map(|one| Failure::usage("serve.webhook", one)).collect();
            Failure::all(problems).unwrap_or_else(|| Failure::usage("serve.webhook", "[serve]"))
        })?;
    let open = Listening::open(asked, context).await?;
    open.tell(asked, has_links, context)?;
    sink.remember_unjudged().await?;
    serve_until_stopped(open, &receiver, &sink, signals, context).await;
    if let Err(error) = sink.judge().await {
        out.warn(say!(out, "serve-judge-failed", reason = error.to_string()));
    }
    journal.close().await;
    out.note(say!(out, "serve-stopped"));
    Ok(Exit::Done)
}

/// The settings of `[serve]` as `serve` would use them, secrets read: what `config check` asks.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    config.opt_out_keys()?;
    match &config.serve {
        Some(serve) => config.receiver_settings(serve).map(drop),
        None => Ok(()),
    }
}

/// Listeners that are open.
struct Listening {
    public: TcpListener,
    operations: Option<TcpListener>,
}

impl Listening {
    async fn open(asked: &ServeConfig, context: &Context<'_>) -> Result<Self, Failure> {
        let public = listen(asked.listen).await?;
        let operations = match asked.operations {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        if !asked.listen.ip().is_loopback() {
            context.out.warn(say!(context.out, "serve-clear", address = asked.listen.to_string()));
        }
        Ok(Self { public, operations })
    }

    /// Where it listens, and what each provider is to be told. With `--json` this is the one document: it
    /// comes when requests are taken, not at the end.
    fn tell(&self, asked: &ServeConfig, has_links: bool, context: &Context<'_>) -> Result<(), Failure> {
        let out = context.out;
        let address = address_of(&self.public)?;
        let operations = self.operations.as_ref().map(address_of).transpose()?;
        let hook = |hook| json!({ "name": hook_name(hook), "url": asked.hook_url(hook) });
        out.document(&json!({ "version": 1, "exit": 0, "listening": address.to_string(),
            "operations": operations.unwrap_or(address).to_string(),
            "public_url": asked.public_url,
            "webhooks": asked.webhooks.iter().map(hook).collect::<Vec<_>>(),
            "opt_out_links": has_links.then(|| asked.stop_url()) }));
        out.note(say!(
            out,
            "serve-listening",
            address = address.to_string(),
            url = &asked.public_url,
            operations = operations.unwrap_or(address).to_string()
        ));
        for webhook in &asked.webhooks {
            let url = asked.hook_url(webhook);
            out.note(say!(out, "serve-hook", name = hook_name(webhook), url = url));
        }
        if has_links {
            out.note(say!(out, "serve-links", url = asked.stop_url()));
        } else {
            out.warn(say!(out, "serve-no-links"));
        }
        Ok(())
    }
}

fn hook_name(webhook: &crate::config::WebhookConfig) -> &str {
    webhook.name.as_str()
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::new(Exit::Problems, "serve.listen", error))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::new(Exit::Problems, "serve.listen", format!("{address}: {error}")))
}

async fn serve_until_stopped(
    open: Listening,
    receiver: &Receiver,
    sink: &JournalSink,
    signals: Option<Signals>,
    context: &Context<'_>,
) {
    let (stop, stopped) = watch::channel(false);
    let told = || {
        let mut stopped = stopped.clone();
        async move {
            // The sender lives as long as this function.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
    };
    let serving = async {
        match open.operations {
            Some(operations) => {
                tokio::join!(
                    serve(open.public, receiver.public(), Limits::default(), told()),
                    serve(operations, receiver.operations(), Limits::default(), told()),
                );
            }
            None => serve(open.public, receiver.router(), Limits::default(), told()).await,
        }
    };
    let judging = async {
        loop {
            tokio::time::sleep(JUDGE_EVERY).await;
            if let Err(error) = sink.judge().await {
                context.out.warn(say!(context.out, "serve-judge-failed", reason = error.to_string()));
            }
        }
    };
    let stopping = async {
        if let Some(mut signals) = signals
            && signals.next().await
        {
            context.out.note(say!(context.out, "serve-stopping"));
            // The receivers live as long as the servers do.
            let _ = stop.send(true);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        () = judging => {}
        () = stopping => {}
    }
}
