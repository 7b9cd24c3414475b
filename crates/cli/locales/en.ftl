error-word = error
hint-word = hint
warning-word = warning
usage-no-command = there is no command `{ $name }`
usage-command-missing = a command is missing
usage-word-too-many = `{ $argument }` is one word too many
usage-unknown = there is no option `{ $argument }`
usage-missing = missing: { $arguments }
usage-conflict = { $argument } and { $other } exclude each other
usage-twice = { $argument } is given twice
usage-no-value = { $argument } needs a value
usage-value = `{ $value }` is no value for { $argument }
usage-number-of-values = { $argument } takes another number of values
usage-not-text = the command line holds something that is not text
usage-how = write: { $usage }
run-recipients = { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
}

config-none = there is no depeche.toml here
config-none-hint = run `depeche init`, name a file with --config, or write .eml files with --outbox DIR
config-good-alone = { $file } is good, but names no provider: nothing can be sent
config-good = { $file } is good; providers: { $providers }
origin-preset = preset { $name }
origin-default = default
config-did-you-mean = did you mean `{ $name }`?
config-known-keys = known here: { $names }
config-known-words = known: { $names }
config-unknown-key = there is no key `{ $key }`
config-missing = `{ $key }` is missing
config-from-hint = [from] says who sends: name = "…", address = "…"
config-type = `{ $key }` must be { $wanted }, not { $found ->
    [string] text
    [integer] a whole number
    [float] a number
    [boolean] true or false
    [datetime] a date
    [array] a list
    [table] a table
   *[other] { $found }
}
config-pace-domain = `{ $name }` is no domain
config-pace-nothing = the pace of { $name } states no window: per_second, per_minute, per_hour, per_day, each 1 or more
config-kind-table = a table
config-kind-text = text
config-kind-number = a whole number
config-kind-flag = true or false
config-kind-secret = a reference such as { "{" } env = "NAME" { "}" }
config-not-tables = `{ $key }` must be a list of tables
config-not-tables-hint = write [[{ $key }]]
config-not-texts = `{ $key }` must be a list of texts
config-port = { $port } is no port: a port is 1 to 65535
config-number = `{ $key }` must be a whole number, 1 or more
config-duration = `{ $text }` is not a length of time
config-duration-hint = write "250ms", "15s", "2m", "1h30m" or "1d"
config-word = `{ $key }` cannot be `{ $text }`
config-secret-one = `{ $key }` takes exactly one of env, file and command
config-open-secret = a password stands in { $file }, which others can read (mode { $mode })
config-open-secret-hint = chmod 600 { $file }, or move it: { "{" } env = "…" { "}" }, { "{" } file = "…" { "}" } or { "{" } command = "…" { "}" }
config-unsubscribe-url = the address must begin with https://
config-journal = the journal `{ $url }` cannot be used: name a file, url = "sqlite:.depeche/journal.db", or a server, url = "postgres://depeche@db.example.org/depeche"
config-journal-password = the journal `{ $url }` carries its password in the open: take it out of the URL, and write password = { "{" } file = "journal.password" { "}" } below it (or env, or command)
config-lease = a lease is two seconds or more
config-mirror = `{ $text }` is no place for a mirror
config-mirror-hint = "file:/mnt/other/depeche" for a folder, or "s3://bucket/folder" for an object store
config-mirror-server = a mirror and a state_dir belong to a journal in a file; a journal on a server is kept by the server
config-unsubscribe-served = opt-out links must go where `depeche serve` answers them: { $url } (or leave the key out)
config-unsubscribe-token = `secret` signs the { "{" }token{ "}" } of opt-out links: url must hold it, or [serve] must say public_url
config-public-url = the public address must begin with https:// and have no ? or #
config-webhook-twice = there are two webhooks called `{ $name }`
config-webhook-kind = `{ $name }` is no provider with webhooks: say its kind
config-webhook-proof = exactly one proof of who posts is needed: { $keys }
config-provider-twice = there are two providers called `{ $name }`
config-provider-name = `{ $name }` is the name of the mailbox of bounces; call the provider otherwise
config-campaign-last = a mailchimp-campaign takes everybody who is left: { $provider } cannot stand behind it
config-share-kind = { $provider }: a share is for providers that send one message at a time
config-share-most = the shares of all providers are more than half of a run
config-no-preset = there is no preset `{ $name }`
config-half-login = { $provider }: username and password belong together
config-no-provider = { $file } names no provider; add a [[provider]] section
route-unknown = there is no provider `{ $name }`

list-no-encoding = `{ $name }` is no encoding
contacts-file = { $file }: { $encoding }, separated by { $separator }, rows: { $rows }
separator-comma = comma
separator-semicolon = semicolon
separator-tab = tab
contacts-duplicate = { $file }: row { $row }: { $address } stands in row { $first } already
contacts-summary = contacts: { $good }; left out: { $left_out }; duplicates: { $duplicates }
contacts-converted = written: { $written }; left out: { $rejected }; duplicates: { $duplicates }

journal-folder-taken = move the file of that name away, or name another place: [journal] url = "sqlite:…"
journal-folder-closed = the folder and the file must belong to whoever runs depeche: ls -l shows whose they are; or name another place: [journal] url = "sqlite:…"
journal-broken = this is not the journal, or it is damaged: put it aside, bring back its newest copy, then `depeche reconcile` before anything is sent. A new, empty journal knows nobody who has the release already
journal-full = make room on the disk, then say it again: nothing was sent
run-none = there is no run `{ $run }`
run-none-hint = `depeche runs` lists them
run-line = { $run }: { $state }, { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
} ({ $totals })
runs-none = there is no run yet
cancelled = { $run } is cancelled; { $count } will never be sent
handed-over = { $run } is handed over to the workers: { $count } pending. Follow it with: depeche status { $run }
campaign-workers = workers cannot send this run: { $provider } is a campaign, which one process sends to everybody who is left; workers claim a few recipients each and would split it
campaign-workers-alone = without --enqueue, `{ $command }` sends it
campaign-workers-without = without --enqueue, `{ $command }` sends it; or leave the campaign out with --route { $route }
work-foreign = { $run } is left alone: none of its providers ({ $providers }) is in this depeche.toml. Put them there, or send it another way with: depeche resume { $run } --route NAME
work-left = { $run } is left alone: { $provider } is a campaign, which one process sends to everybody who is left. Go on with: depeche resume { $run }
paused = { $run } is paused, { $count } pending; those in flight are finished. Go on with: depeche resume { $run }, or depeche resume { $run } --enqueue
too-late = { $run } was to begin by { $until }; nothing was sent. If it is to go all the same: depeche resume { $run } --late
schedule-at = `{ $text }` is no moment; write it like "2026-12-03 08:00 Europe/Paris"
schedule-late = `{ $text }` is no length of time; write it like 30m or 2h
schedule-passed = { $text } and the lateness allowed have passed; nothing was sent
work-begins = working; Ctrl-C or SIGTERM finishes what is in flight
look-up-accepted = { $address }: { $provider } has it and accepted it
look-up-refused = { $address }: { $provider } shows that it refused it
look-up-found = { $address }: { $provider } knows it and has not decided; ask again later
look-up-not-found = { $address }: { $provider } finds nothing, which proves nothing
look-up-cannot-tell = { $address }: { $provider } cannot say what became of it
look-up-failed = { $address }: { $provider } could not be asked: { $reason }
resolve-pause-first = `depeche pause { $run }` first (workers let go of it within a second or two), and `depeche resume { $run } --enqueue` afterwards
resolved = decided: { $count }
at-risk-who = { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
} of { $run }, accepted at risk, would be sent the release again; whoever got it after all gets it twice
at-risk-other = { $confirmed } were confirmed, and { $count } would be sent it again; nothing was changed
at-risk-none = nobody is accepted at risk: declare the outage first (depeche provider outage), or everybody has it
at-risk-again = left out, because they were sent it again before: { $count }
at-risk-route = a provider of the route is out of service: go on with depeche resume { $run } --route { $route }
status-link = { $name }: { $accepted } accepted, { $state }
status-pace = pace of { $domain }: { $used } of { $limit } used in the last { $window ->
    [minute] minute
    [hour] hour
   *[day] day
 }
status-mirror = mirror { $target } ({ $mode }): has everything
status-mirror-behind = mirror { $target } ({ $mode }): lacks { $count ->
    [one] 1 record
   *[other] { $count } records
}, for { $seconds } s { $reason }
status-mirror-taken-over = mirror { $target }: another machine has taken over; this one sends nothing
link-open = set aside
link-closed = in use

told-orphans = { $count ->
    [one] 1 recipient was
   *[other] { $count } recipients were
} on the wire when the earlier process ended; nobody knows whether it was accepted
told-refused = { $address } is refused for good: { $reply }
told-unknown = { $address } is uncertain at { $provider }: { $detail }
told-held = { $address } is held by { $provider }: { $reply }
told-suspect = { $provider } has gone silent; { $next }
told-back = { $provider } answers again
told-set-aside = { $provider } set aside since { $since }, { $next } ({ $reason })
told-benched = { $provider }: { $reply }
told-resting = { $provider } asks for a rest until { $until }: { $reply }
told-budget = { $provider } has used up its window until { $until }; { $next }
told-waiting = waiting until { $until }; pending: { $count }
told-draining = taking no new recipients; on the wire: { $count }
told-accepted = { $address }: accepted by { $provider }
told-written = { $address }: written
told-retry = { $address }: { $provider } says not now ({ $reply }); again at { $at }
told-moved = { $address }: { $provider } says no ({ $reply }); trying the next
told-suppressed = { $address } is on the suppression list
told-interrupt = interrupted: finishing what is on the wire. Once more to leave now (what is on the wire becomes unknown)

end-set-aside = { $provider } is set aside: { $reason }
end-journal = the journal failed, nothing more is sent: { $reason }
end-mirror-lost = the mirror cannot be reached, and nothing is sent without it: { $reason }
end-taken-over = another machine goes on with this run; nothing more is sent from here: { $by }

journal-older-session = this journal is an older copy of itself: it stands at session { $journal }, and session { $beside } was begun. It does not know whom it has mailed since: nothing is sent
journal-older-lacks = this journal is an older copy of itself: { $count ->
    [0] something was done
    [one] 1 recipient was mailed, or may have been,
   *[other] { $count } recipients were mailed, or may have been,
} that it does not know of. Nothing is sent
journal-older-hint = `depeche reconcile` brings it up to date, from what stands beside it, from its mirror and from the providers
journal-epoch-lost = nothing stands beside the journal any more ({ $folder }): whether it is the newest copy cannot be told. Nothing is sent
journal-epoch-lost-hint = put that folder back; or, if the journal is the newest copy, `depeche reconcile`
journal-other-state = what stands in { $folder } belongs to another journal. Nothing is sent
journal-other-state-hint = each journal needs a folder of its own: see `state_dir` in [journal]
journal-on-server = this journal is on a server, which keeps it for all machines: there is nothing to reconcile or to take over from here
epoch-was-lost = nothing stood beside the journal any more; its mirror says that it is the newest copy
mirror-none = depeche.toml names no mirror
mirror-none-hint = docs/mirror.md says how to set one up, before the machine burns
mirror-empty = { $place } holds nothing: is it the right place?
mirror-other-journal = the journal that is here holds runs of its own, and this mirror is not its mirror
mirror-other-journal-hint = take over in a folder without a journal: depeche.toml and the keys are enough
mirror-still-sending = the other machine is still sending; stop it, then type it again
mirror-taken-over = { $machine } has sent from this journal’s mirror since { $since }; from here nothing is sent
mirror-taken-over-hint = go on there; or stop it there, and `depeche take-over` here
mirror-lost = the mirror cannot be reached, and nothing is sent without it: { $reason }
mirror-lost-hint = type it again when the mirror is back; with mode = "async" a run goes on without it
mirror-key = the mirror cannot be opened with this key: { $reason }
mirror-overwrites = this place cannot hold a mirror: { $reason }
mirror-missing = something is missing in the mirror: { $reason }. Nothing is sent
mirror-missing-hint = is the right disk mounted? To begin a new mirror, name an empty folder
mirror-unreadable = the mirror cannot be read: { $reason }
mirror-compacted = the mirror begins at segment { $from } now: { $parts } segments say what the journal holds; emptied: { $emptied }
mirror-compacted-beyond = a store that keeps versions, and copies of the mirror’s disk, keep what was emptied until they let go of it
mirror-owes-forgetting = somebody was forgotten who stands in the mirror still: `depeche mirror compact`, when no run is under way
mirror-behind = the mirror cannot be reached; going on, because its mode is async: { $reason }
mirror-in-step = the mirror has everything again
mirror-lacks = the mirror still lacks { $count ->
    [one] 1 record
   *[other] { $count } records
}; the next command that sends brings them
reconcile-lost = run { $run } is in no record: whom it mailed is not known
reconcile-unrecorded = { $count ->
    [one] 1 session has
   *[other] { $count } sessions have
} left no record: everybody who was pending is uncertain
reconcile-no-provider = no provider could be asked: { $reason }
reconcile-provider = { $provider } could not be asked: { $reason }
taken-over = taken over from { $machine }, which sent since { $since }; it can send no more
taken-over-async = the mirror’s mode is async: whoever was handed over in the other machine’s last second may count as pending here
recovered = put back: { $runs ->
    [one] 1 run
   *[other] { $runs } runs
}, { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
}; proved by providers: { $proofs }
end-resume-at = it is worth going on from { $at }
end-pending = still pending: { $count }. Go on with: depeche resume { $run }
end-broken-off = the run { $run } is in the journal; when the fault is mended, go on with: depeche resume { $run }
end-test-later = the test copy was not sent, and nothing of it is left over; try again from { $at }
end-test-not-sent = the test copy was not sent, and nothing of it is left over
end-unknown = { $count } uncertain: call them, then `depeche resolve { $run } ADDRESS --sent` (or --resend) `--reason "…"`
end-at-risk = { $run }: { $count } accepted, at risk, because their provider went out of service: call them (depeche report { $run } --call-sheet), or send it again: depeche resolve { $run } --at-risk --resend --reason "…"
end-written = { $run }: { $count } written
end-nothing-sent = NOTHING WAS SENT
end-summary = { $run }: { $accepted } of { $count } accepted, { $refused } refused, { $suppressed } suppressed

left-out-taken = has this release already, from run { $run } ({ $state })
left-out = row { $row } { $who } left out: { $reason }
exclude-neither = `{ $name }` is neither a file nor a run
field-missing = the release uses { $field }, which { $count ->
    [one] 1 contact does
   *[other] { $count } contacts do
} not have: { $names }
field-missing-hint = write { $fix }, or leave them out with --where '{ $selection }'
field-unfilled = a tag of the release cannot be filled for { $count ->
    [one] 1 contact
   *[other] { $count } contacts
}: { $names } ({ $reason })
field-unfilled-line = look at line { $line } of the release; `{"{{"} contact.first_name {"}}"}` alone always works
field-unfilled-title = look at the title of the release; `{"{{"} contact.first_name {"}}"}` alone always works
lint-good = { $file }: nothing to say
contact-none = there is no such contact in the list { $name }

send-example = no depeche.toml here: the built-in example identity stands in (From { $from })
send-begins = run { $run }: { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
}
send-nobody-left = every recipient already has this release from run { $run }
send-nobody = nobody is left to mail (left out: { $left_out }, not chosen: { $not_chosen }, suppressed: { $suppressed })
confirm-who = "{ $title }" goes to { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
} (suppressed: { $suppressed }, waiting for the embargo: { $embargoed })
confirm-ask = This cannot be undone. Type { $count } to send:
confirm-refused = that is not the number; nothing was sent
confirm-missing = nothing was sent: there is no terminal to ask, and { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
} must be confirmed
confirm-other = { $confirmed } recipients were confirmed, and { $count } would be mailed; nothing was sent

plan-count = recipients: { $count }; suppressed: { $suppressed }; left out: { $left_out }; not chosen: { $not_chosen }
plan-embargo = waiting for the end of the embargo: { $count }
plan-suppressed = {"  "}{ $address } (suppressed: not mailed)
plan-link = { $place }. { $name } ({ $kind }) { $limits }
plan-spare = { $provider } is a warm spare ({ $share }): { $count } of these go through it
plan-spare-untrusted = { $provider } is a spare that is not trusted yet ({ $share }): { $count } of these go through it, nobody of tier 1
warm-cold = { $provider } has accepted nothing for 30 days: nobody knows it on the day it is needed. Give it share = "5%", or try `depeche provider test { $provider } --message ADDRESS`
warm-leap = if { $provider } had to take { $count } in one day, that would be more than twice its largest day of the last 90 ({ $largest })
plan-changes = { $provider }: { $change }
plan-change-tracking = opens and links are tracked unless tracking is switched off in the account: it cannot be switched for one message
plan-change-message-id = the Message-ID is the provider's own
plan-change-sender-name = the sender appears as “{ $name }”
plan-change-file-names = attachments go under plain names: { $names }
plan-change-images-linked = images are linked to, and not inside the message: { $names }
plan-change-from = From may be rewritten: the domain is not authenticated there
plan-change-members = recipients become members of the audience, and go out as { $campaigns ->
    [one] one campaign
   *[other] { $campaigns } campaigns, one after the other: one takes { $most } at the most, all of whom are in memory at once
}
plan-change-alone = one process sends the campaign, and one release at a time in an audience: workers do not take this run (--enqueue), and another release that is on its way is waited for
plan-change-opt-out = the opt-out link and the header List-Unsubscribe are the provider's own
plan-change-reply-to = answers go to the From address, not to { $address }
plan-cannot-campaign = cannot carry this release: { $reason }
plan-cannot-images = cannot carry this release: no `url` to link to for { $names }
plan-passed-over = { $provider } is passed over: { $others } { $count ->
    [one] carries it
   *[other] carry it
}
route-cannot-carry = no provider of the route can carry this release:
    {"  "}{ $reasons }
plan-nothing-sent = this was a plan, nothing was sent; send with --confirm { $count }

resume-begins = run { $run } goes on; pending: { $count }
resume-gone = { $name } is no longer in depeche.toml
resume-several = several runs are unfinished: { $runs }; name one
resume-nothing = { $run } has nothing left to do
resume-changed = { $file } has changed since; what was frozen goes out

sync-told = { $name }: { $new } new, { $known } known already (asked from { $since } on)
sync-incomplete = { $name } has more than it lets anybody ask for; it will be asked for the same time again
sync-cannot-tell = { $name } tells of nothing by itself: its bounces come by mail. Name their mailbox in depeche.toml, [bounces] imap, or read them with --mailbox
sync-failed = { $name } could not be asked: { $reason }
sync-gone = { $name } took messages and is no longer in depeche.toml: it cannot be asked
sync-read = { $name }: { $read ->
    [one] 1 message
   *[other] { $read } messages
} read; of another matter: { $others }
sync-cut = { $name }: there is more; `depeche sync` goes on
sync-renumbered = the server has numbered the mailbox anew: it is read from the beginning
sync-unclear = a report that cannot be understood: "{ $subject }"
sync-nothing = nothing has been sent yet
sync-change = { $address }  { $what }{ $reason }  ({ $run }, { $source })
sync-event-delivered = delivered
sync-event-accepted = on its way
sync-event-deferred = late, and tried again
sync-event-hard = refused by the receiver
sync-event-soft = given up by the provider
sync-event-full = the mailbox is full
sync-event-policy = refused for content, sender or pace; the address may be good
sync-event-bad = no such address
sync-event-blocked = on the provider's own block list
sync-event-failed = not sent by the provider
sync-event-complained = reported as spam
sync-event-unsubscribed = opted out
sync-resolved = proved: { $address } is { $state } ({ $run })
sync-opt-out-unproved = { $from } seems to opt out of what { $address } got ("{ $subject }"). If that is so: depeche suppress add { $address } --reason "opted out by mail"
sync-away = { $from } is away ("{ $subject }")
sync-left = { $from } has left: write to { $write_to }
sync-left-nowhere = { $from } has left ("{ $subject }")
sync-automatic = { $from } answers automatically ("{ $subject }")
sync-human = { $from } answers: "{ $subject }"
sync-counts = new: { $delivered } delivered, { $late } late, { $lost } not arrived, { $wishes } opted out or complained
sync-suppressed = on the suppression list from now on: { $count }
sync-quarantined = to be looked at before the next release: { $count } (depeche suppress list)
sync-contradicting = { $count ->
    [one] 1 event tells
   *[other] { $count } events tell
} of messages that their provider is said to have refused: somebody may have the release twice
sync-call = { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
} did not get it: depeche report { $run } --call-sheet
sync-since = `{ $text }` is no moment; write 7d, 48h or 2026-12-03
serve-none = depeche.toml has no [serve] section
serve-none-hint = [serve] needs listen = "127.0.0.1:8025" and public_url = "https://…"; docs/after-the-send.md has a whole one
serve-listening = listening on { $address }, which the world knows as { $url }; /healthz and /metrics: { $operations }
serve-hook = webhook of { $name }: { $url }
serve-links = opt-out links: { $url }
serve-no-links = no opt-out links are answered: [unsubscribe] has no secret
serve-clear = { $address } is open to the network without TLS: put a proxy in front of it
serve-stopping = stopping: finishing the requests in flight
serve-stopped = stopped
serve-judge-failed = bad addresses are not judged yet: { $reason }

suppress-added = added: { $count }
suppress-quarantine = {" "}(to be looked at)
suppress-none = { $address } is not on the list
suppress-removed = { $address } may be mailed again
forgotten = forgotten (deliveries: { $deliveries }, events: { $events }): the journal knows nothing but { $pseudonym }; the address is never mailed
forgotten-not-swept = another process uses the journal: the address may stand in the free space of its file until this is typed again when that process has ended
forgotten-still-named = still named in { $file }: it is yours to change
forgotten-beyond = out of reach from here: providers' logs and block lists, receivers' mailboxes, backups, exported reports, and the release's own text
forget-owed = the journal has forgotten this person; the mirror has not: { $reason }
forget-owed-hint = `depeche mirror compact`, when the mirror can be reached: until then the address stands in it
suppress-pulled = { $name }: { $listed } on its list; new: { $new }; known: { $known }; left out (not the address's fault): { $left_out }
suppress-not-pushed = { $name } did not take { $address }: { $reply }
suppress-incomplete = { $name } lists more than can be asked for; { $count } were read
suppress-no-list = { $name } has no block list of its own
suppress-not-asked = { $name } could not be asked: { $reason }
suppress-shown = { $count } would be added; nothing was changed. Again with --apply to do it
suppress-applied = added: { $count }

login-good = { $name }: logged in
login-bad = { $name }: { $reply }
test-accepted = { $name }: accepted a test message to { $address } (run { $run })
test-not-accepted = { $name }: the test message to { $address } is { $state }: { $reply }
test-compare = when it has arrived, save it and see what { $name } changed: { $command }
fact-server = server
ovh-selectors = OVHcloud signs for { $domain } under: { $selectors }
ovh-no-selectors = OVHcloud knows no DKIM selector of { $domain }: switch DKIM on in the control panel
fact-greeting = greeting
fact-security = security
fact-login = login
fact-offers = offers
fact-largest = largest message
fact-account = account
fact-quota = hourly quota
fact-backlog = backlog
fact-reputation = reputation
fact-health = health
fact-audience = audience
fact-members = members
fact-credits = credits left ({ $plan })
fact-domain = domain { $domain }
fact-record = record { $record }
provider-line = { $name }: { $state }, room: { $room }
outage-is = { $name } is out of service since { $since }
outage-was = { $name } was out of service from { $since } to { $until }
outages-none = no outage is declared; to declare one: depeche provider outage NAME --from 09:12 --reason "…"
outage-withdrawn = the outage of { $name } is taken back
outage-none = { $name } has { $count ->
    [0] no declared outage
   *[other] { $count } declared outages, and none or several of them are meant
}
outage-none-hint = `depeche provider outage` lists them; --from says which
outage-order = an outage began in the past, and ends after it began
outage-time = `{ $text }` is no moment; write 09:12, "2026-12-03 09:12", "2026-12-03 09:12 Europe/Paris" or 2h
explain-none = there is no rule `{ $rule }`
init-exists = already there: { $files }; nothing was written
init-asks = A few questions; Enter takes what stands in brackets.
init-ask-organisation = Name of the organisation
init-ask-sender = Name in the From line
init-ask-address = Address in the From line
init-ask-contact = Name of the press contact
init-ask-phone = Phone of the press contact (Enter: none)
init-ask-stop = Address that receives opt-outs
init-ask-provider = Provider, in order of fallback (a number; Enter: no more)
init-ask-name = What to call it
init-ask-host = Host
init-ask-username = Login
init-ask-secret = Where its password or key is: env NAME, file PATH or command WORDS
init-secret-where = never the secret itself, only where it is: env NAME, file PATH or command WORDS
init-no-answer = there is no answer to "{ $question }"; nothing was written
init-login-later = { $name }: not tested yet: { $reason }
init-next = next: fill in depeche.toml, then `depeche config check`, `depeche provider test`, `depeche plan release.md --to contacts.csv`

compare-same = nothing that counts was changed
compare-count = changed in substance: { $count }; aside: { $aside }
compare-line = { $change }: { $sent }{ $arrow }{ $received }
compare-files = give SENT.eml and RECEIVED.eml, or RECEIVED.eml with --run RUN
compare-nobody = run { $run } has no recipient { $address }; name one with --recipient
compare-not-mail-sent = { $file } is not a mail message
change-pixel-added = a tracking pixel was added
change-image-added = an image was added
change-image-missing = an image is missing
change-link-rewritten = a link leads elsewhere
change-link-added = a link was added
change-link-missing = a link is missing
change-text-added = words were added
change-text-missing = words are missing
change-part-dropped = a part is missing
change-part-added = a part was added
change-file-renamed = a file has another name
change-file-changed = a file has another content
change-header-changed = a header was changed
change-header-dropped = a header is missing
change-header-added = a header was added
change-markup-changed = the markup was changed, nothing to read was

dns-nameserver = `{ $text }` is no address of a name server
dns-fragment = { $domain }: these are lines to paste and not a zone (no SOA, no name servers): only what they speak of is checked, nothing else of the domain; add --live to lay them over what is published

told-next = going on with { $provider }
told-no-next = no other provider is left
end-unknown-more = … and { $count } more: depeche report { $run }
state-accepted = accepted
state-at-risk = accepted, at risk
state-bounced = bounced
state-cancelled = cancelled
state-finished = finished
state-held = held
state-interrupted = interrupted
state-paused = paused
state-pending = pending
state-refused = refused
state-running = running
state-suppressed = suppressed
state-unknown = uncertain
state-waiting = waiting
state-written = written
domain-progress = { $done } of { $all }: { $domain }
not-a-domain = `{ $text }` is not a domain name
key-made = the private key is in { $file }, which only you can read; publish the record above
key-next = at the provider that does not sign, in depeche.toml:
    {"  "}{ $line }
    then `depeche domain check { $domain }`
key-exists = { $file } is there already, and a key is never overwritten
key-exists-hint = take another --selector, or name another file with --output
learned = { $provider } in { $file } now names the selectors it signs with: { $selectors }
learned-nothing-new = { $provider } in { $file } names these selectors already
learn-nothing = nothing to learn: no signature of { $domain } passes
learn-stranger = this message is of { $domain }, depeche.toml sends as { $own }: nothing was learnt from it
learn-stranger-hint = give a message that you sent as { $own } and that came back, or check that one without --learn
learn-whose = whose selector { $selector } is cannot be told from its key: name the provider
learn-place = { $provider } has no [[provider]] of its own in depeche.toml: add the line there by hand
message-pair = `{ $text }` names no provider and file
message-proves-nothing = { $file } proves nothing: none of its signatures passes
standing-good = { $provider } says that { $domain } is authenticated
standing-bad = { $provider } says that { $domain } is not authenticated: { $reason }
evidence-not-kept = What was heard about { $provider } could not be kept for the day of sending: { $reason }
standing-failed = { $provider } could not be asked about the domain: { $reason }
baseline-kept = kept in { $file }: { $domains }
baseline-open = { $domain } is not kept in { $file }: DNS left something open
admission-local = DNS says nothing about a server on this machine
admission-no-dns = this machine names no name server
admission-no-answer = DNS does not answer
admission-nobody = DMARC would refuse this release through every provider:
    {"  "}{ $reasons }
admission-hint = depeche domain check shows what to publish; --unauthenticated sends all the same
told-blocked = { $provider } is not used: { $reason }
told-not-checked = { $provider } is used, its authentication was not checked: { $reason }
plan-proved = { $provider } passes DMARC: { $legs }
plan-fails = { $provider } fails DMARC (no policy asks to refuse it yet): { $reason }
stdout-plan = stdout takes one of --html - and --json; give the page a file
stdout-contacts = stdout takes one of the list, --rejects - and --json; give the others a file, with --output or --rejects
stdout-report = stdout takes one of --csv -, --html - and --json; give the others a file
report-title = Report on { $run }
report-recipients = recipients
report-to-ring = Whom to ring
report-over-time = Accepted over time, by provider
report-by-outlet = By outlet
report-by-domain = By receiving domain
report-everybody = Everybody
report-other = other
column-state = state
column-address = address
column-provider = provider
column-at = at
column-reply = reply
column-later = later
column-name = name
column-outlet = outlet
column-phone = phone
column-tier = tier
column-why = why
why-at-risk = accepted by { $provider } at { $at }; { $outage }
why-unknown = nobody knows whether { $provider } took it
why-told = { $what }: { $reason }
why-held = held by { $provider }
why-pending = not sent yet
report-not-delivered = Accepted means that a provider took the message; delivered is what an event says afterwards. Ask for events with: depeche sync
report-nobody-to-ring = Nobody has to be rung.
report-fold = from no. { $from }
report-folded = The list is folded, a thousand people a fold; only what is unfolded is printed. A whole table: depeche report --csv FILE
report-later = Told afterwards:
report-made = as of
plan-quota-left = { $provider } had { $count } messages left, as it said on { $at } (provider test)
plan-quota-hour = { $provider } takes { $count } messages an hour, as it said on { $at } (provider test)
plan-share = { $provider } takes { $count }
plan-share-minutes = { $provider } takes { $count }, in about { $minutes } min
plan-pace = { $domain } gets { $count }, at its own pace
plan-pace-minutes = { $domain } gets { $count }, at its own pace: about { $minutes } min
plan-waits = { $count } wait until a window has room again
