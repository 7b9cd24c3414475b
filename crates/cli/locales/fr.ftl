error-word = erreur
hint-word = conseil
run-recipients = { $count ->
    [one] { $count } destinataire
   *[other] { $count } destinataires
}
not-available = cette commande n'existe pas dans cette version

config-none = il n'y a pas de depeche.toml ici
config-none-hint = lancez `depeche init`, indiquez un fichier avec --config, ou écrivez des fichiers .eml avec --outbox DOSSIER
config-good = { $file } est correct ; fournisseurs : { $providers }
config-did-you-mean = vouliez-vous dire « { $name } » ?
config-known-keys = connus ici : { $names }
config-known-words = connus : { $names }
config-unknown-key = la clé « { $key } » n'existe pas
config-missing = « { $key } » manque
config-from-hint = [from] dit qui envoie : name = "…", address = "…"
config-type = « { $key } » doit être { $wanted }, pas { $found }
config-kind-table = une table
config-kind-text = un texte
config-kind-number = un nombre entier
config-kind-flag = true ou false
config-kind-secret = une référence comme { "{" } env = "NOM" { "}" }
config-not-tables = « { $key } » doit être une liste de tables
config-not-tables-hint = écrivez [[{ $key }]]
config-not-texts = « { $key } » doit être une liste de textes
config-number = « { $key } » doit être un nombre entier d'au moins 1
config-duration = « { $text } » n'est pas une durée
config-duration-hint = écrivez "250ms", "15s", "2m", "1h30m" ou "1d"
config-word = « { $key } » ne peut pas être « { $text } »
config-secret-one = « { $key } » prend exactement l'un de env, file et command
config-open-secret = un mot de passe figure dans { $file }, que d'autres peuvent lire (mode { $mode })
config-open-secret-hint = chmod 600 { $file }, ou déplacez-le : { "{" } env = "…" { "}" }, { "{" } file = "…" { "}" } ou { "{" } command = "…" { "}" }
config-unsubscribe-url = l'adresse doit commencer par https://
config-journal = le journal « { $url } » est inutilisable : cette version le garde dans un fichier, url = "sqlite:.depeche/journal.db"
config-provider-twice = deux fournisseurs s'appellent « { $name } »
config-no-campaign = mailchimp-campaign n'existe pas dans cette version ; utilisez mailchimp-transactional
config-no-dkim = cette version ne signe pas elle-même en DKIM : prenez un fournisseur qui signe, et retirez `dkim`
config-no-preset = le préréglage « { $name } » n'existe pas
config-half-login = { $provider } : username et password vont ensemble
config-no-provider = { $file } ne nomme aucun fournisseur ; ajoutez une section [[provider]]
route-unknown = le fournisseur « { $name } » n'existe pas

list-no-encoding = « { $name } » n'est pas un encodage
contacts-file = { $file } : { $encoding }, séparateur { $separator }, lignes : { $rows }
contacts-duplicate = { $file } : ligne { $row } : { $address } figure déjà ligne { $first }
contacts-summary = contacts : { $good } ; écartés : { $left_out } ; doublons : { $duplicates }
contacts-converted = écrits : { $written } ; écartés : { $rejected } ; doublons : { $duplicates }
