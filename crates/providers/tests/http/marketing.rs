//! A stub that keeps members, segments and campaigns as Mailchimp Marketing does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depeche_core::clock::Clock;
use depeche_core::provider::ProviderName;
use depeche_core::secret::Secret;
use depeche_providers::http::HttpTimeouts;
use depeche_providers::mailchimp::campaign::{CampaignConfig, CampaignProvider};
use depeche_providers::mailchimp::member::subscriber_hash;
use depeche_testkit::http::{HttpStub, Says, Seen};
use serde_json::{Value, json};

use crate::arrange::{KEY, short};

/// What Mailchimp knows.
#[derive(Default)]
pub(crate) struct Account {
    /// Address in lower case: status.
    pub(crate) members: BTreeMap<String, String>,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) segments: Vec<BTreeSet<String>>,
    pub(crate) deleted_segments: BTreeSet<usize>,
    pub(crate) campaigns: Vec<Campaign>,
    /// When campaigns are made, as Mailchimp writes it.
    pub(crate) now: String,
    /// Subject, and the merge fields of a member, of each message that was sent.
    pub(crate) said: Vec<(String, Value)>,
    /// The merge fields of each member.
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) sends: usize,
    /// Requests that were answered, in order: method, path.
    pub(crate) calls: Vec<(String, String)>,
}

pub(crate) struct Campaign {
    pub(crate) segment: usize,
    pub(crate) status: &'static str,
    pub(crate) sent_to: Vec<String>,
    pub(crate) html: String,
    pub(crate) subject: String,
    pub(crate) title: String,
    pub(crate) made_at: String,
}

/// What it does otherwise than well.
#[derive(Clone)]
pub(crate) struct Mood {
    /// Instead of 204; and whether the campaign is sent all the same.
    pub(crate) send: Option<(Says, bool)>,
    /// Everything after the send is answered so.
    pub(crate) after: Option<Says>,
    /// Requests of this method whose path ends so are answered so.
    pub(crate) at: Option<(&'static str, &'static str, Says)>,
    /// Whom no campaign reaches.
    pub(crate) skips: Vec<String>,
    pub(crate) ready: bool,
    /// What Mailchimp says that it sent, beyond what it lists.
    pub(crate) unlisted: u64,
}

impl Default for Mood {
    fn default() -> Self {
        Self { send: None, after: None, at: None, skips: Vec::new(), ready: true, unlisted: 0 }
    }
}

pub(crate) struct Mailchimp {
    pub(crate) account: Arc<Mutex<Account>>,
    pub(crate) stub: HttpStub,
}

impl Mailchimp {
    pub(crate) async fn start(mood: Mood) -> Self {
        let account = Arc::new(Mutex::new(Account::default()));
        let shared = Arc::clone(&account);
        let stub = HttpStub::start(move |seen| shared.lock().unwrap().answer(seen, &mood)).await;
        Self { account, stub }
    }

    pub(crate) fn provider(&self) -> CampaignProvider {
        provider_at(&self.stub.base_url(), Arc::new(depeche_core::clock::SystemClock))
    }

    pub(crate) fn sends(&self) -> usize {
        self.account.lock().unwrap().sends
    }

    pub(crate) fn is(&self, address: &str, status: &str) {
        self.account.lock().unwrap().members.insert(address.to_owned(), status.to_owned());
    }

    pub(crate) fn status_of(&self, address: &str) -> String {
        self.account.lock().unwrap().members[address].clone()
    }

    /// What every campaign was made at from here on.
    pub(crate) fn makes_campaigns_at(&self, time: &str) {
        time.clone_into(&mut self.account.lock().unwrap().now);
    }

    /// Status of each campaign; deleted ones say so.
    pub(crate) fn campaigns(&self) -> Vec<&'static str> {
        self.account.lock().unwrap().campaigns.iter().map(|campaign| campaign.status).collect()
    }
}

pub(crate) fn provider_at(url: &str, clock: Arc<dyn Clock>) -> CampaignProvider {
    provider_within(url, clock, short())
}

/// With these deadlines.
pub(crate) fn provider_within(url: &str, clock: Arc<dyn Clock>, timeouts: HttpTimeouts) -> CampaignProvider {
    let name = ProviderName::new("campagne").unwrap();
    let mut config = CampaignConfig::at(name, Secret::from(KEY.to_owned()), "a1b2c3".to_owned(), url);
    config.http.timeouts = timeouts;
    config.poll = Duration::from_millis(20);
    config.sent_within = Duration::from_millis(800);
    config.settled_after = Duration::from_millis(100);
    config.sender_domain = Some("exemple.fr".to_owned());
    CampaignProvider::new(config, clock).unwrap()
}

impl Account {
    fn answer(&mut self, seen: &Seen, mood: &Mood) -> Says {
        let path = seen.target.split('?').next().unwrap_or_default().to_owned();
        self.calls.push((seen.method.clone(), path.clone()));
        if let Some((method, end, says)) = &mood.at
            && seen.method == *method
            && path.ends_with(end)
        {
            return says.clone();
        }
        if self.sends > 0
            && let Some(says) = &mood.after
        {
            return says.clone();
        }
        let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (seen.method.as_str(), parts.as_slice()) {
            ("GET", ["ping"]) => ok(json!({"health_status": "Everything's Chimpy!"})),
            ("GET", ["verified-domains"]) => {
                ok(json!({"domains": [{"domain": "exemple.fr", "verified": true, "authenticated": false}]}))
            }
            ("GET", ["lists", "a1b2c3"]) => ok(json!({"name": "Presse", "stats": {"member_count": 3}})),
            ("GET", ["lists", _, "merge-fields"]) => ok(
                json!({"merge_fields": self.tags.iter().map(|tag| json!({"tag": tag})).collect::<Vec<_>>()}),
            ),
            ("POST", ["lists", _, "merge-fields"]) => {
                self.tags.insert(body["tag"].as_str().unwrap().to_owned());
                ok(json!({"tag": body["tag"], "merge_id": 1}))
            }
            ("GET", ["lists", _, "members"]) => {
                let status = seen.target.split(['?', '&']).find_map(|part| part.strip_prefix("status="));
                let fits = self.members.iter().filter(|(_, is)| Some(is.as_str()) == status);
                let all: Vec<Value> = fits.map(|(address, _)| json!({"email_address": address})).collect();
                let offset = query(&seen.target, "offset");
                let page: Vec<&Value> = all.iter().skip(offset).take(query(&seen.target, "count")).collect();
                ok(json!({"members": page, "total_items": all.len()}))
            }
            ("POST", ["lists", _]) => self.add(&body),
            ("PUT", ["lists", _, "members", hash]) => self.update(hash, &body),
            ("POST", ["lists", _, "segments"]) => {
                self.segments.push(addresses(&body["static_segment"]));
                ok(json!({"id": self.segments.len()}))
            }
            ("DELETE", ["lists", _, "segments", id]) => {
                self.deleted_segments.insert(id.parse().unwrap());
                Says::json(204, "")
            }
            ("POST", ["lists", _, "segments", id]) => {
                let id: usize = id.parse().unwrap();
                let more = addresses(&body["members_to_add"]);
                assert!(more.len() <= 500, "500 members a call at the most");
                assert!(more.iter().all(|address| self.members.contains_key(address)), "members only");
                self.segments[id - 1].extend(more);
                ok(json!({"total_added": 1}))
            }
            ("POST", ["campaigns"]) => {
                let segment = body["recipients"]["segment_opts"]["saved_segment_id"].as_u64().unwrap();
                let segment = usize::try_from(segment).unwrap() - 1;
                self.campaigns.push(Campaign {
                    segment,
                    status: "save",
                    sent_to: Vec::new(),
                    html: String::new(),
                    subject: body["settings"]["subject_line"].as_str().unwrap().to_owned(),
                    title: body["settings"]["title"].as_str().unwrap().to_owned(),
                    made_at: self.now.clone(),
                });
                ok(json!({"id": format!("c{}", self.campaigns.len())}))
            }
            ("GET", ["campaigns"]) => {
                assert!(seen.target.contains("list_id=a1b2c3"), "{}", seen.target);
                let listed = (1..).zip(&self.campaigns).filter(|(_, one)| one.status != "deleted");
                let listed = listed.map(|(number, one)| {
                    json!({"id": format!("c{number}"), "status": one.status, "create_time": one.made_at,
                        "settings": {"title": one.title}})
                });
                ok(json!({"campaigns": listed.collect::<Vec<_>>(), "total_items": self.campaigns.len()}))
            }
            (method, ["campaigns", id, rest @ ..]) => self.campaign(method, id, rest, &body, mood),
            ("GET", ["reports", id, "sent-to"]) => {
                let campaign = &self.campaigns[place(id)];
                let offset: usize = query(&seen.target, "offset");
                let all: Vec<Value> =
                    campaign.sent_to.iter().map(|address| json!({"email_id": hash(address)})).collect();
                let page: Vec<Value> =
                    all.iter().skip(offset).take(query(&seen.target, "count")).cloned().collect();
                ok(json!({"sent_to": page, "total_items": all.len()}))
            }
            ("GET", ["reports", _, "unsubscribed"]) => ok(json!({"unsubscribes": [], "total_items": 0})),
            ("GET", ["reports", _, "abuse-reports"]) => ok(json!({"abuse_reports": [], "total_items": 0})),
            _ => problem(404, "no such path"),
        }
    }

    fn add(&mut self, body: &Value) -> Says {
        let members = body["members"].as_array().unwrap();
        assert!(members.len() <= 500, "500 members a call at the most");
        assert_eq!(body["update_existing"], false);
        let (mut new, mut errors) = (Vec::new(), Vec::new());
        for member in members {
            let address = member["email_address"].as_str().unwrap().to_lowercase();
            if self.members.contains_key(&address) {
                errors.push(
                    json!({"email_address": address, "error_code": "ERROR_CONTACT_EXISTS", "error": "there"}),
                );
            } else if address.starts_with("fake") {
                errors.push(
                    json!({"email_address": address, "error_code": "ERROR_GENERIC", "error": "looks fake"}),
                );
            } else {
                self.members.insert(address.clone(), "subscribed".to_owned());
                self.fields.insert(address.clone(), member["merge_fields"].clone());
                new.push(json!({"email_address": address, "status": "subscribed"}));
            }
        }
        ok(json!({"new_members": new, "updated_members": [], "errors": errors}))
    }

    fn update(&mut self, asked: &str, body: &Value) -> Says {
        if body["status"] == "unsubscribed" {
            let address = body["email_address"].as_str().unwrap();
            assert_eq!(hash(address), asked);
            self.members.insert(address.to_owned(), "unsubscribed".to_owned());
            return ok(json!({"email_address": address, "status": "unsubscribed"}));
        }
        assert!(body.get("status").is_none(), "the status of a member who is there is not ours to set");
        let found = self.members.iter().find(|(address, _)| hash(address) == asked);
        let (address, status) = found.expect("only those who are there are updated");
        self.fields.insert(address.clone(), body["merge_fields"].clone());
        ok(json!({"email_address": address, "status": status}))
    }

    fn campaign(&mut self, method: &str, id: &str, rest: &[&str], body: &Value, mood: &Mood) -> Says {
        let segment = self.segments[self.campaigns[place(id)].segment].clone();
        let campaign = &mut self.campaigns[place(id)];
        match (method, rest) {
            ("PUT", ["content"]) => {
                campaign.html = body["html"].as_str().unwrap().to_owned();
                ok(json!({"html": campaign.html}))
            }
            ("GET", ["send-checklist"]) => ok(json!({"is_ready": mood.ready,
                "items": [{"type": "error", "heading": "From", "details": "not verified"}]})),
            ("POST", ["actions", "send"]) => {
                self.sends += 1;
                let (says, sends) = mood.send.clone().unwrap_or((Says::json(204, ""), true));
                if sends {
                    let said = segment.iter().map(|to| (campaign.subject.clone(), self.fields[to].clone()));
                    self.said.extend(said);
                    campaign.status = "sent";
                    let reached = segment.into_iter().filter(|address| !mood.skips.contains(address));
                    campaign.sent_to = reached.collect();
                }
                says
            }
            ("GET", []) => ok(json!({"id": id, "status": campaign.status,
                "emails_sent": campaign.sent_to.len() as u64 + mood.unlisted})),
            ("DELETE", []) if campaign.status == "save" => {
                campaign.status = "deleted";
                Says::json(204, "")
            }
            _ => problem(404, "no such path"),
        }
    }
}

pub(crate) fn place(id: &str) -> usize {
    id.trim_start_matches('c').parse::<usize>().unwrap() - 1
}

pub(crate) fn query(target: &str, name: &str) -> usize {
    let found = target.split(['?', '&']).find_map(|part| part.strip_prefix(&format!("{name}=")));
    found.unwrap().parse().unwrap()
}

pub(crate) fn hash(address: &str) -> String {
    subscriber_hash(&depeche_core::address::EmailAddress::parse(address).unwrap())
}

pub(crate) fn addresses(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|address| address.as_str().unwrap().to_lowercase()).collect()
}

pub(crate) fn ok(body: Value) -> Says {
    Says::json(200, &body.to_string())
}

pub(crate) fn problem(status: u16, detail: &str) -> Says {
    Says::json(status, &json!({"type": "x", "title": "Bad", "status": status, "detail": detail}).to_string())
}
