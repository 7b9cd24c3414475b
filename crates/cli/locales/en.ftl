error-word = error
hint-word = hint
run-recipients = { $count ->
    [one] 1 recipient
   *[other] { $count } recipients
}
not-available = this command is not available in this version

config-none = there is no depeche.toml here
config-none-hint = run `depeche init`, name a file with --config, or write .eml files with --outbox DIR
config-good = { $file } is good; providers: { $providers }
config-did-you-mean = did you mean `{ $name }`?
config-known-keys = known here: { $names }
config-known-words = known: { $names }
config-unknown-key = there is no key `{ $key }`
config-missing = `{ $key }` is missing
config-from-hint = [from] says who sends: name = "…", address = "…"
config-type = `{ $key }` must be { $wanted }, not { $found }
config-kind-table = a table
config-kind-text = text
config-kind-number = a whole number
config-kind-flag = true or false
config-kind-secret = a reference such as { "{" } env = "NAME" { "}" }
config-not-tables = `{ $key }` must be a list of tables
config-not-tables-hint = write [[{ $key }]]
config-not-texts = `{ $key }` must be a list of texts
config-number = `{ $key }` must be a whole number, 1 or more
config-duration = `{ $text }` is not a length of time
config-duration-hint = write "250ms", "15s", "2m", "1h30m" or "1d"
config-word = `{ $key }` cannot be `{ $text }`
config-secret-one = `{ $key }` takes exactly one of env, file and command
config-open-secret = a password stands in { $file }, which others can read (mode { $mode })
config-open-secret-hint = chmod 600 { $file }, or move it: { "{" } env = "…" { "}" }, { "{" } file = "…" { "}" } or { "{" } command = "…" { "}" }
config-unsubscribe-url = the address must begin with https://
config-journal = the journal `{ $url }` cannot be used: this version keeps it in a file, url = "sqlite:.depeche/journal.db"
config-provider-twice = there are two providers called `{ $name }`
config-no-campaign = mailchimp-campaign is not available in this version; use mailchimp-transactional
config-no-dkim = this version does not sign with DKIM itself: use a provider that signs, and remove `dkim`
config-no-preset = there is no preset `{ $name }`
config-half-login = { $provider }: username and password belong together
config-no-provider = { $file } names no provider; add a [[provider]] section
route-unknown = there is no provider `{ $name }`

list-no-encoding = `{ $name }` is no encoding
contacts-file = { $file }: { $encoding }, separated by { $separator }, rows: { $rows }
contacts-duplicate = { $file }: row { $row }: { $address } stands in row { $first } already
contacts-summary = contacts: { $good }; left out: { $left_out }; duplicates: { $duplicates }
contacts-converted = written: { $written }; left out: { $rejected }; duplicates: { $duplicates }
