error-word = erreur
hint-word = conseil
warning-word = avertissement
usage-no-command = la commande « { $name } » n'existe pas
usage-command-missing = il manque une commande
usage-word-too-many = « { $argument } » est de trop
usage-unknown = l'option « { $argument } » n'existe pas
usage-missing = il manque : { $arguments }
usage-conflict = { $argument } et { $other } s'excluent
usage-twice = { $argument } est donné deux fois
usage-no-value = { $argument } demande une valeur
usage-value = « { $value } » n'est pas une valeur pour { $argument }
usage-number-of-values = { $argument } prend un autre nombre de valeurs
usage-not-text = la ligne de commande contient autre chose que du texte
usage-how = écrivez : { $usage }
run-recipients = { $count ->
    [one] { $count } destinataire
   *[other] { $count } destinataires
}

config-none = il n'y a pas de depeche.toml ici
config-none-hint = lancez `depeche init`, indiquez un fichier avec --config, ou écrivez des fichiers .eml avec --outbox DOSSIER
config-good-alone = { $file } est correct, mais ne nomme aucun fournisseur : rien ne peut partir
config-good = { $file } est correct ; fournisseurs : { $providers }
origin-preset = préréglage { $name }
origin-default = par défaut
config-did-you-mean = vouliez-vous dire « { $name } » ?
config-known-keys = connus ici : { $names }
config-known-words = connus : { $names }
config-unknown-key = la clé « { $key } » n'existe pas
config-missing = « { $key } » manque
config-from-hint = [from] dit qui envoie : name = "…", address = "…"
config-type = « { $key } » doit être { $wanted }, pas { $found ->
    [string] un texte
    [integer] un nombre entier
    [float] un nombre
    [boolean] true ou false
    [datetime] une date
    [array] une liste
    [table] une table
   *[other] { $found }
}
config-pace-domain = « { $name } » n'est pas un domaine
config-pace-nothing = la cadence de { $name } ne fixe aucune limite : per_second, per_minute, per_hour, per_day, chacune valant 1 ou plus
config-kind-table = une table
config-kind-text = un texte
config-kind-number = un nombre entier
config-kind-flag = true ou false
config-kind-secret = une référence comme { "{" } env = "NOM" { "}" }
config-not-tables = « { $key } » doit être une liste de tables
config-not-tables-hint = écrivez [[{ $key }]]
config-not-texts = « { $key } » doit être une liste de textes
config-port = { $port } n'est pas un port : un port va de 1 à 65535
config-number = « { $key } » doit être un nombre entier d'au moins 1
config-duration = « { $text } » n'est pas une durée
config-duration-hint = écrivez "250ms", "15s", "2m", "1h30m" ou "1d"
config-word = « { $key } » ne peut pas être « { $text } »
config-secret-one = « { $key } » prend exactement l'un de env, file et command
config-open-secret = un mot de passe figure dans { $file }, que d'autres peuvent lire (mode { $mode })
config-open-secret-hint = chmod 600 { $file }, ou déplacez-le : { "{" } env = "…" { "}" }, { "{" } file = "…" { "}" } ou { "{" } command = "…" { "}" }
config-unsubscribe-url = l'adresse doit commencer par https://
config-journal = le journal « { $url } » est inutilisable : indiquez un fichier, url = "sqlite:.depeche/journal.db", ou un serveur, url = "postgres://depeche@db.example.org/depeche"
config-journal-password = le journal « { $url } » porte son mot de passe en clair : retirez-le de l'adresse et écrivez au-dessous password = { "{" } file = "journal.password" { "}" } (ou env, ou command)
config-lease = un bail dure deux secondes au moins
config-mirror = `{ $text }` n’est pas un emplacement de miroir
config-mirror-hint = "file:/mnt/autre/depeche" pour un dossier, ou "s3://bucket/dossier" pour un stockage d’objets
config-mirror-server = un miroir et un state_dir vont avec un journal dans un fichier ; un journal sur un serveur est gardé par le serveur
config-unsubscribe-served = les liens de désinscription doivent mener là où `depeche serve` répond : { $url } (ou retirez la clé)
config-unsubscribe-token = `secret` signe le { "{" }token{ "}" } des liens de désinscription : url doit le contenir, ou [serve] donner public_url
config-public-url = l'adresse publique doit commencer par https:// et n'avoir ni ? ni #
config-webhook-twice = deux webhooks s'appellent `{ $name }`
config-webhook-kind = `{ $name }` n'est pas un fournisseur à webhooks : précisez kind
config-webhook-proof = il faut exactement une preuve de qui envoie : { $keys }
config-provider-twice = deux fournisseurs s'appellent « { $name } »
config-provider-name = « { $name } » est le nom de la boîte des rebonds ; appelez le fournisseur autrement
config-campaign-last = une campagne Mailchimp prend tous ceux qui restent : { $provider } ne peut venir derrière elle
config-share-kind = { $provider } : une part (share) est pour les fournisseurs qui envoient un message à la fois
config-share-most = les parts (share) de tous les fournisseurs dépassent la moitié d'un envoi
config-no-preset = le préréglage « { $name } » n'existe pas
config-half-login = { $provider } : username et password vont ensemble
config-no-provider = { $file } ne nomme aucun fournisseur ; ajoutez une section [[provider]]
route-unknown = le fournisseur « { $name } » n'existe pas

list-no-encoding = « { $name } » n'est pas un encodage
contacts-file = { $file } : { $encoding }, séparateur { $separator }, lignes : { $rows }
separator-comma = virgule
separator-semicolon = point-virgule
separator-tab = tabulation
contacts-duplicate = { $file } : ligne { $row } : { $address } figure déjà ligne { $first }
contacts-summary = contacts : { $good } ; écartés : { $left_out } ; doublons : { $duplicates }
contacts-converted = écrits : { $written } ; écartés : { $rejected } ; doublons : { $duplicates }

journal-folder-taken = déplacez le fichier de ce nom, ou indiquez un autre endroit : [journal] url = "sqlite:…"
journal-folder-closed = le dossier et le fichier doivent appartenir à qui lance depeche (ls -l montre à qui ils sont) ; ou indiquez un autre endroit : [journal] url = "sqlite:…"
journal-broken = ce n'est pas le journal, ou il est abîmé : mettez-le de côté, remettez sa copie la plus récente, puis `depeche reconcile` avant tout envoi. Un journal neuf ne sait pas qui a déjà le communiqué
journal-full = faites de la place sur le disque, puis recommencez : rien n'a été envoyé
run-none = l'envoi « { $run } » n'existe pas
run-none-hint = `depeche runs` en donne la liste
run-line = { $run } : { $state }, { $count ->
    [one] { $count } destinataire
   *[other] { $count } destinataires
} ({ $totals })
runs-none = il n'y a encore aucun envoi
cancelled = { $run } est annulé ; { $count ->
    [one] { $count } ne partira
   *[other] { $count } ne partiront
} jamais
handed-over = { $run } est confié aux postes d'envoi : { $count } en attente. Pour le suivre : depeche status { $run }
campaign-workers = les postes d'envoi ne peuvent pas prendre cet envoi : { $provider } est une campagne, qu'un seul processus envoie à tous ceux qui restent ; les postes prennent quelques destinataires chacun et la morcelleraient
campaign-workers-alone = sans --enqueue, `{ $command }` l'envoie
campaign-workers-without = sans --enqueue, `{ $command }` l'envoie ; ou laissez la campagne de côté avec --route { $route }
work-foreign = { $run } est laissé de côté : aucun de ses prestataires ({ $providers }) n'est dans ce depeche.toml. Ajoutez-les, ou envoyez-le autrement : depeche resume { $run } --route NOM
work-left = { $run } est laissé de côté : { $provider } est une campagne, qu'un seul processus envoie à tous ceux qui restent. Pour continuer : depeche resume { $run }
paused = { $run } est en pause, { $count } en attente ; ce qui est en route se termine. Pour reprendre : depeche resume { $run }, ou depeche resume { $run } --enqueue
too-late = { $run } devait commencer avant { $until } ; rien n'est parti. S'il doit partir malgré tout : depeche resume { $run } --late
schedule-at = « { $text } » n'est pas un moment ; écrivez par exemple "2026-12-03 08:00 Europe/Paris"
schedule-late = « { $text } » n'est pas une durée ; écrivez par exemple 30m ou 2h
schedule-passed = { $text } et le retard permis sont passés ; rien n'est parti
work-begins = au travail ; Ctrl-C ou SIGTERM termine ce qui est en route
look-up-accepted = { $address } : { $provider } l’a et l’a accepté
look-up-refused = { $address } : { $provider } montre qu’il l’a refusé
look-up-found = { $address } : { $provider } le connaît et n’a pas décidé ; redemandez plus tard
look-up-not-found = { $address } : { $provider } ne trouve rien, ce qui ne prouve rien
look-up-cannot-tell = { $address } : { $provider } ne peut pas dire ce qu’il en est
look-up-failed = { $address } : { $provider } n’a pas pu être interrogé : { $reason }
resolve-pause-first = d'abord `depeche pause { $run }` (les machines le lâchent en une ou deux secondes), ensuite `depeche resume { $run } --enqueue`
resolved = décidés : { $count }
at-risk-who = { $run } : { $count ->
    [one] { $count } destinataire accepté avec risque recevrait
   *[other] { $count } destinataires acceptés avec risque recevraient
} de nouveau le communiqué ; qui l'a reçu quand même l'aura deux fois
at-risk-other = { $confirmed } ont été confirmés, et { $count } le recevraient de nouveau ; rien n'a été changé
at-risk-none = personne n'est accepté avec risque : déclarez d'abord la panne (depeche provider outage), ou tout le monde l'a
at-risk-again = laissés de côté, parce qu'il leur a déjà été renvoyé : { $count }
at-risk-route = un fournisseur de la route est hors service : continuez avec depeche resume { $run } --route { $route }
status-link = { $name } : { $accepted ->
    [one] { $accepted } accepté
   *[other] { $accepted } acceptés
}, { $state }
status-pace = cadence de { $domain } : { $used } sur { $limit } utilisés { $window ->
    [minute] dans la dernière minute
    [hour] dans la dernière heure
   *[day] dans les dernières 24 heures
 }
status-mirror = miroir { $target } ({ $mode }) : il a tout
status-mirror-behind = miroir { $target } ({ $mode }) : il lui manque { $count ->
    [one] { $count } écriture
   *[other] { $count } écritures
}, depuis { $seconds } s { $reason }
status-mirror-taken-over = miroir { $target } : une autre machine a repris l’envoi ; celle-ci n’envoie rien
link-open = mis de côté
link-closed = en service

told-orphans = { $count ->
    [one] { $count } destinataire était
   *[other] { $count } destinataires étaient
} en cours quand le processus précédent s'est arrêté ; nul ne sait si c'est accepté
told-refused = { $address } est refusé définitivement : { $reply }
told-unknown = { $address } est incertain chez { $provider } : { $detail }
told-held = { $address } est retenu par { $provider } : { $reply }
told-suspect = { $provider } ne répond plus ; { $next }
told-back = { $provider } répond de nouveau
told-set-aside = { $provider } mis de côté depuis { $since }, { $next } ({ $reason })
told-benched = { $provider } : { $reply }
told-resting = { $provider } demande une pause jusqu'à { $until } : { $reply }
told-budget = { $provider } a épuisé son quota jusqu'à { $until } ; { $next }
told-waiting = en attente jusqu'à { $until } ; restants : { $count }
told-draining = plus de nouveaux destinataires ; en cours : { $count }
told-accepted = { $address } : accepté par { $provider }
told-written = { $address } : écrit
told-retry = { $address } : { $provider } dit pas maintenant ({ $reply }) ; nouvel essai à { $at }
told-moved = { $address } : { $provider } dit non ({ $reply }) ; on essaie le suivant
told-suppressed = { $address } figure sur la liste d'exclusion
told-interrupt = interruption : on termine ce qui est en cours. Encore une fois pour partir tout de suite (ce qui est en cours devient incertain)

end-set-aside = { $provider } est mis de côté : { $reason }
end-journal = le journal a échoué, plus rien n'est envoyé : { $reason }
end-mirror-lost = le miroir est injoignable, et rien ne part sans lui : { $reason }
end-taken-over = une autre machine continue cet envoi ; plus rien ne part d’ici : { $by }

journal-older-session = ce journal est une copie ancienne de lui-même : il en est à la session { $journal }, et la session { $beside } a été ouverte. Il ne sait pas qui a reçu quoi depuis : rien ne part
journal-older-lacks = ce journal est une copie ancienne de lui-même : { $count ->
    [0] il s’est passé des choses
    [one] { $count } destinataire a été servi, ou a pu l’être,
   *[other] { $count } destinataires ont été servis, ou ont pu l’être,
} sans qu’il le sache. Rien ne part
journal-older-hint = `depeche reconcile` le met à jour, depuis ce qui est rangé à côté de lui, son miroir et les fournisseurs
journal-epoch-lost = il n’y a plus rien à côté du journal ({ $folder }) : impossible de dire si c’est la copie la plus récente. Rien ne part
journal-epoch-lost-hint = remettez ce dossier en place ; ou, si le journal est bien le plus récent, `depeche reconcile`
journal-other-state = le contenu de { $folder } appartient à un autre journal. Rien ne part
journal-other-state-hint = chaque journal a son propre dossier : voyez `state_dir` dans [journal]
journal-on-server = ce journal est sur un serveur, qui le garde pour toutes les machines : rien à réconcilier ni à reprendre d’ici
epoch-was-lost = il n’y avait plus rien à côté du journal ; son miroir dit que c’est la copie la plus récente
mirror-none = depeche.toml n’indique aucun miroir
mirror-none-hint = docs/mirror.md dit comment en préparer un, avant que la machine ne brûle
mirror-empty = { $place } est vide : est-ce le bon emplacement ?
mirror-other-journal = le journal d’ici a ses propres envois, et ce miroir n’est pas le sien
mirror-other-journal-hint = reprenez dans un dossier sans journal : depeche.toml et les clés suffisent
mirror-still-sending = l’autre machine envoie encore ; arrêtez-la, puis recommencez
mirror-taken-over = { $machine } envoie depuis le miroir de ce journal depuis { $since } ; rien ne part d’ici
mirror-taken-over-hint = continuez là-bas ; ou arrêtez-la, puis `depeche take-over` ici
mirror-lost = le miroir est injoignable, et rien ne part sans lui : { $reason }
mirror-lost-hint = recommencez quand il répond ; avec mode = "async" un envoi continue sans lui
mirror-key = cette clé n’ouvre pas le miroir : { $reason }
mirror-overwrites = cet emplacement ne peut pas servir de miroir : { $reason }
mirror-missing = il manque quelque chose dans le miroir : { $reason }. Rien ne part
mirror-missing-hint = le bon disque est-il monté ? Pour un miroir neuf, indiquez un dossier vide
mirror-unreadable = le miroir est illisible : { $reason }
mirror-compacted = le miroir commence désormais au segment { $from } : { $parts } segments disent ce que tient le journal ; vidés : { $emptied }
mirror-compacted-beyond = un stockage qui garde des versions, et les copies du disque du miroir, gardent ce qui a été vidé jusqu’à ce qu’ils l’abandonnent
mirror-owes-forgetting = une personne oubliée figure encore dans le miroir : `depeche mirror compact`, quand aucun envoi n’est en cours
mirror-behind = le miroir est injoignable ; on continue, car son mode est async : { $reason }
mirror-in-step = le miroir a de nouveau tout
mirror-lacks = il manque encore { $count ->
    [one] { $count } écriture
   *[other] { $count } écritures
} au miroir ; la prochaine commande qui envoie les apporte
reconcile-lost = l’envoi { $run } n’est noté nulle part : on ne sait pas qui l’a reçu
reconcile-unrecorded = { $count ->
    [one] { $count } session n’a
   *[other] { $count } sessions n’ont
} laissé aucune trace : tous ceux qui étaient en attente sont incertains
reconcile-no-provider = aucun fournisseur n’a pu être interrogé : { $reason }
reconcile-provider = { $provider } n’a pas pu être interrogé : { $reason }
taken-over = reprise de { $machine }, qui envoyait depuis { $since } ; elle ne peut plus envoyer
taken-over-async = le miroir est en mode async : ceux que l’autre machine a servis dans sa dernière seconde peuvent être en attente ici
recovered = remis : { $runs ->
    [one] { $runs } envoi
   *[other] { $runs } envois
}, { $count ->
    [one] { $count } destinataire
   *[other] { $count } destinataires
} ; prouvés par les fournisseurs : { $proofs }
end-resume-at = il vaut la peine de reprendre à partir de { $at }
end-pending = restants : { $count }. Reprendre avec : depeche resume { $run }
end-broken-off = l'envoi { $run } est dans le journal ; une fois la panne réparée, reprenez avec : depeche resume { $run }
end-test-later = la copie de test n'est pas partie, et il n'en reste rien ; réessayez à partir de { $at }
end-test-not-sent = la copie de test n'est pas partie, et il n'en reste rien
end-unknown = { $count ->
    [one] { $count } incertain
   *[other] { $count } incertains
} : appelez-les, puis `depeche resolve { $run } ADRESSE --sent` (ou --resend) `--reason "…"`
end-at-risk = { $run } : { $count ->
    [one] { $count } accepté
   *[other] { $count } acceptés
} avec risque, parce que leur fournisseur est tombé en panne : appelez-les (depeche report { $run } --call-sheet), ou renvoyez-le : depeche resolve { $run } --at-risk --resend --reason "…"
end-written = { $run } : { $count ->
    [one] { $count } écrit
   *[other] { $count } écrits
}
end-nothing-sent = RIEN N'A ÉTÉ ENVOYÉ (NOTHING WAS SENT)
end-summary = { $run } : { $accepted ->
    [one] { $accepted } accepté
   *[other] { $accepted } acceptés
} sur { $count }, { $refused ->
    [one] { $refused } refusé
   *[other] { $refused } refusés
}, { $suppressed ->
    [one] { $suppressed } exclu
   *[other] { $suppressed } exclus
}

left-out-taken = a déjà ce communiqué, par l'envoi { $run } ({ $state })
left-out = ligne { $row } { $who } écartée : { $reason }
exclude-neither = « { $name } » n'est ni un fichier ni un envoi
field-missing = le communiqué utilise { $field }, que { $count ->
    [one] { $count } contact n'a pas
   *[other] { $count } contacts n'ont pas
} : { $names }
field-missing-hint = écrivez { $fix }, ou écartez-les avec --where '{ $selection }'
field-unfilled = une balise du communiqué ne peut pas être remplie pour { $count ->
    [one] { $count } contact
   *[other] { $count } contacts
} : { $names } ({ $reason })
field-unfilled-line = regardez la ligne { $line } du communiqué ; {"{{"} contact.first_name {"}}"} seul marche toujours
field-unfilled-title = regardez le titre du communiqué ; {"{{"} contact.first_name {"}}"} seul marche toujours
lint-good = { $file } : rien à signaler
contact-none = ce contact n'est pas dans la liste { $name }

send-example = pas de depeche.toml ici : l'identité d'exemple le remplace (De { $from })
send-begins = envoi { $run } : { $count ->
    [one] { $count } destinataire
   *[other] { $count } destinataires
}
send-nobody-left = tous les destinataires ont déjà ce communiqué, par l'envoi { $run }
send-nobody = il ne reste personne à qui écrire (écartés : { $left_out }, non choisis : { $not_chosen }, exclus : { $suppressed })
confirm-who = « { $title } » part à { $count ->
    [one] { $count } destinataire
   *[other] { $count } destinataires
} (exclus : { $suppressed }, attendent la levée de l'embargo : { $embargoed })
confirm-ask = C'est sans retour. Tapez { $count } pour envoyer :
confirm-refused = ce n'est pas le nombre ; rien n'a été envoyé
confirm-missing = rien n'a été envoyé : il n'y a pas de terminal où demander, et { $count ->
    [one] { $count } destinataire doit être confirmé
   *[other] { $count } destinataires doivent être confirmés
}
confirm-other = { $confirmed } destinataires étaient confirmés, et { $count } recevraient le message ; rien n'a été envoyé

plan-count = destinataires : { $count } ; exclus : { $suppressed } ; écartés : { $left_out } ; non choisis : { $not_chosen }
plan-embargo = attendent la levée de l'embargo : { $count }
plan-suppressed = {"  "}{ $address } (exclu : ne reçoit rien)
plan-link = { $place }. { $name } ({ $kind }) { $limits }
plan-spare = { $provider } est un secours tenu chaud ({ $share }) : { $count } de ceux-ci passent par lui
plan-spare-untrusted = { $provider } est un secours dont on ne sait rien encore ({ $share }) : { $count } de ceux-ci passent par lui, personne du rang 1
warm-cold = { $provider } n'a rien accepté depuis 30 jours : personne ne le connaîtra le jour venu. Donnez-lui share = "5%", ou essayez `depeche provider test { $provider } --message ADRESSE`
warm-leap = si { $provider } devait prendre { $count } messages en un jour, ce serait plus du double de son plus grand jour des 90 derniers ({ $largest })
plan-changes = { $provider } : { $change }
plan-change-tracking = ouvertures et liens sont suivis, sauf si le suivi est coupé dans le compte : il ne peut l'être pour un seul message
plan-change-message-id = le Message-ID est celui du fournisseur
plan-change-sender-name = l'expéditeur apparaît comme « { $name } »
plan-change-file-names = les pièces jointes partent sous des noms simples : { $names }
plan-change-images-linked = les images sont liées, et non dans le message : { $names }
plan-change-from = l'expéditeur peut être réécrit : le domaine n'y est pas authentifié
plan-change-members = les destinataires deviennent membres de l'audience, et reçoivent { $campaigns ->
    [one] une seule campagne
   *[other] { $campaigns } campagnes l'une après l'autre : chacune prend { $most } destinataires au plus, tous en mémoire à la fois
}
plan-change-alone = un seul processus envoie la campagne, et un seul communiqué à la fois dans une audience : les postes d'envoi ne prennent pas cet envoi (--enqueue), et un autre communiqué en cours d'envoi est attendu
plan-change-opt-out = le lien de désinscription et l'en-tête List-Unsubscribe sont ceux du fournisseur
plan-change-reply-to = les réponses vont à l'adresse d'expédition, et non à { $address }
plan-cannot-campaign = ne peut porter ce communiqué : { $reason }
plan-cannot-images = ne peut porter ce communiqué : pas d'`url` vers laquelle lier pour { $names }
plan-passed-over = { $provider } est laissé de côté : { $others } { $count ->
    [one] le porte
   *[other] le portent
}
route-cannot-carry = aucun fournisseur de la route ne peut porter ce communiqué :
    {"  "}{ $reasons }
plan-nothing-sent = ceci est un plan, rien n'a été envoyé ; envoyez avec --confirm { $count }

resume-begins = l'envoi { $run } reprend ; restants : { $count }
resume-gone = { $name } n'est plus dans depeche.toml
resume-several = plusieurs envois sont inachevés : { $runs } ; nommez-en un
resume-nothing = { $run } n'a plus rien à faire
resume-changed = { $file } a changé depuis ; c'est la version figée qui part

sync-told = { $name } : { $new } nouveaux, { $known } déjà connus (demandé à partir de { $since })
sync-incomplete = { $name } en a plus qu'il n'en laisse demander ; la même période sera redemandée
sync-cannot-tell = { $name } n'annonce rien de lui-même : ses rebonds arrivent par courrier. Indiquez leur boîte dans depeche.toml, [bounces] imap, ou lisez-les avec --mailbox
sync-failed = { $name } n'a pas pu être interrogé : { $reason }
sync-gone = { $name } a pris des messages et n'est plus dans depeche.toml : il ne peut pas être interrogé
sync-read = { $name } : { $read ->
    [one] { $read } message lu
   *[other] { $read } messages lus
} ; d'un autre sujet : { $others }
sync-cut = { $name } : il en reste ; `depeche sync` continue
sync-renumbered = le serveur a renuméroté la boîte : elle est relue depuis le début
sync-unclear = un rapport incompréhensible : « { $subject } »
sync-nothing = rien n'a encore été envoyé
sync-change = { $address }  { $what }{ $reason }  ({ $run }, { $source })
sync-event-delivered = remis
sync-event-accepted = en route
sync-event-deferred = en retard, nouvel essai à suivre
sync-event-hard = refusé par le serveur du destinataire
sync-event-soft = abandonné par le fournisseur
sync-event-full = boîte pleine
sync-event-policy = refusé pour le contenu, l'expéditeur ou le rythme ; l'adresse peut être bonne
sync-event-bad = adresse inexistante
sync-event-blocked = sur la liste de blocage du fournisseur
sync-event-failed = non envoyé par le fournisseur
sync-event-complained = signalé comme indésirable
sync-event-unsubscribed = désinscrit
sync-resolved = prouvé : { $address } est désormais { $state } ({ $run })
sync-opt-out-unproved = { $from } semble refuser ce que { $address } a reçu (« { $subject } »). Si c'est le cas : depeche suppress add { $address } --reason "désinscription par courriel"
sync-away = { $from } est absent (« { $subject } »)
sync-left = { $from } est parti : écrire à { $write_to }
sync-left-nowhere = { $from } est parti (« { $subject } »)
sync-automatic = { $from } répond automatiquement (« { $subject } »)
sync-human = { $from } répond : « { $subject } »
sync-counts = nouveaux : { $delivered } remis, { $late } en retard, { $lost } non arrivés, { $wishes } désinscrits ou plaintes
sync-suppressed = désormais sur la liste d'exclusion : { $count }
sync-quarantined = à examiner avant le prochain communiqué : { $count } (depeche suppress list)
sync-contradicting = { $count ->
    [one] { $count } événement parle
   *[other] { $count } événements parlent
} de messages que leur fournisseur aurait refusés : quelqu'un a peut-être reçu le communiqué deux fois
sync-call = { $count ->
    [one] { $count } destinataire ne l'a pas reçu
   *[other] { $count } destinataires ne l'ont pas reçu
} : depeche report { $run } --call-sheet
sync-since = « { $text } » n'est pas un moment ; écrivez 7d, 48h ou 2026-12-03
serve-none = depeche.toml n'a pas de section [serve]
serve-none-hint = [serve] demande listen = "127.0.0.1:8025" et public_url = "https://…" ; docs/after-the-send.md en donne un exemple complet
serve-listening = à l'écoute sur { $address }, que le monde connaît comme { $url } ; /healthz et /metrics : { $operations }
serve-hook = webhook de { $name } : { $url }
serve-links = liens de désinscription : { $url }
serve-no-links = aucun lien de désinscription n'a de réponse : [unsubscribe] n'a pas de secret
serve-clear = { $address } est ouvert au réseau sans TLS : placez un proxy devant
serve-stopping = arrêt : les requêtes en cours se terminent
serve-stopped = arrêté
serve-judge-failed = les adresses invalides ne sont pas encore jugées : { $reason }

suppress-added = ajoutés : { $count }
suppress-quarantine = {" "}(à vérifier)
suppress-none = { $address } n'est pas sur la liste
suppress-removed = on peut de nouveau écrire à { $address }
forgotten = oublié (envois : { $deliveries }, événements : { $events }) : le journal ne connaît plus que { $pseudonym } ; rien ne sera jamais envoyé à cette adresse
forgotten-not-swept = un autre processus utilise le journal : l'adresse peut rester dans l'espace libre de son fichier jusqu'à ce que cette commande soit répétée une fois ce processus terminé
forgotten-still-named = encore nommé dans { $file } : c'est à vous de le changer
forgotten-beyond = hors d'atteinte d'ici : journaux et listes de blocage des fournisseurs, boîtes des destinataires, sauvegardes, rapports exportés, et le texte même du communiqué
forget-owed = le journal a oublié cette personne ; le miroir, non : { $reason }
forget-owed-hint = `depeche mirror compact`, quand le miroir répond : jusque-là l’adresse y figure
suppress-pulled = { $name } : { $listed } sur sa liste ; nouvelles : { $new } ; connues : { $known } ; écartées (l'adresse n'y est pour rien) : { $left_out }
suppress-not-pushed = { $name } n'a pas pris { $address } : { $reply }
suppress-incomplete = { $name } en liste plus que l'on ne peut en demander ; { $count } ont été lues
suppress-no-list = { $name } n'a pas de liste de blocage à lui
suppress-not-asked = { $name } n'a pas pu être interrogé : { $reason }
suppress-shown = à ajouter : { $count } ; rien n'a été modifié. Relancez avec --apply pour le faire
suppress-applied = ajoutées : { $count }

login-good = { $name } : connexion réussie
test-accepted = { $name } : a accepté un message d'essai pour { $address } (envoi { $run })
test-not-accepted = { $name } : le message d'essai pour { $address } est { $state } : { $reply }
test-compare = une fois arrivé, enregistrez-le et voyez ce que { $name } a changé : { $command }
login-bad = { $name } : { $reply }
ovh-selectors = OVHcloud signe pour { $domain } sous : { $selectors }
ovh-no-selectors = OVHcloud ne connaît aucun sélecteur DKIM de { $domain } : activez DKIM dans l’espace client
fact-server = serveur
fact-greeting = accueil
fact-security = sécurité
fact-login = identifiant
fact-offers = propose
fact-largest = plus gros message
fact-account = compte
fact-quota = quota horaire
fact-backlog = en attente
fact-reputation = réputation
fact-health = état
fact-audience = audience
fact-members = membres
fact-credits = crédits restants ({ $plan })
fact-domain = domaine { $domain }
fact-record = enregistrement { $record }
provider-line = { $name } : { $state }, marge : { $room }
outage-is = { $name } est hors service depuis { $since }
outage-was = { $name } a été hors service de { $since } à { $until }
outages-none = aucune panne n'est déclarée ; pour en déclarer une : depeche provider outage NOM --from 09:12 --reason "…"
outage-withdrawn = la panne de { $name } est retirée
outage-none = { $name } a { $count ->
    [0] aucune panne déclarée
   *[other] { $count } pannes déclarées, et aucune ou plusieurs sont désignées
}
outage-none-hint = `depeche provider outage` les montre ; --from dit laquelle
outage-order = une panne a commencé dans le passé, et finit après avoir commencé
outage-time = « { $text } » n'est pas un moment ; écrivez 09:12, "2026-12-03 09:12", "2026-12-03 09:12 Europe/Paris" ou 2h
explain-none = la règle « { $rule } » n'existe pas
init-exists = déjà là : { $files } ; rien n'a été écrit
init-asks = Quelques questions ; Entrée prend ce qui est entre crochets.
init-ask-organisation = Nom de l'organisation
init-ask-sender = Nom dans la ligne De
init-ask-address = Adresse dans la ligne De
init-ask-contact = Nom du contact presse
init-ask-phone = Téléphone du contact presse (Entrée : aucun)
init-ask-stop = Adresse qui reçoit les désinscriptions
init-ask-provider = Fournisseur, dans l'ordre de secours (un numéro ; Entrée : c'est tout)
init-ask-name = Comment l'appeler
init-ask-host = Hôte
init-ask-username = Identifiant
init-ask-secret = Où est son mot de passe ou sa clé : env NOM, file CHEMIN ou command MOTS
init-secret-where = jamais le secret lui-même, seulement où il est : env NOM, file CHEMIN ou command MOTS
init-no-answer = pas de réponse à « { $question } » ; rien n'a été écrit
init-login-later = { $name } : pas encore testé : { $reason }
init-next = ensuite : complétez depeche.toml, puis `depeche config check`, `depeche provider test`, `depeche plan release.md --to contacts.csv`

compare-same = rien d'important n'a été changé
compare-count = changements de fond : { $count } ; à côté : { $aside }
compare-line = { $change } : { $sent }{ $arrow }{ $received }
compare-files = donnez ENVOYE.eml et RECU.eml, ou RECU.eml avec --run ENVOI
compare-nobody = l'envoi { $run } n'a pas de destinataire { $address } ; nommez-en un avec --recipient
compare-not-mail-sent = { $file } n'est pas un message
change-pixel-added = un pixel espion a été ajouté
change-image-added = une image a été ajoutée
change-image-missing = une image manque
change-link-rewritten = un lien mène ailleurs
change-link-added = un lien a été ajouté
change-link-missing = un lien manque
change-text-added = des mots ont été ajoutés
change-text-missing = des mots manquent
change-part-dropped = une partie manque
change-part-added = une partie a été ajoutée
change-file-renamed = un fichier porte un autre nom
change-file-changed = un fichier a un autre contenu
change-header-changed = un en-tête a été changé
change-header-dropped = un en-tête manque
change-header-added = un en-tête a été ajouté
change-markup-changed = le balisage a été changé, rien de ce qui se lit

dns-nameserver = `{ $text }` n'est pas l'adresse d'un serveur de noms
dns-fragment = { $domain } : ce sont des lignes à coller et non une zone (ni SOA, ni serveurs de noms) : seul ce dont elles parlent est vérifié, rien d'autre du domaine ; ajoutez --live pour les poser sur ce qui est publié

told-next = on continue avec { $provider }
told-no-next = il ne reste aucun autre fournisseur
end-unknown-more = … et { $count } de plus : depeche report { $run }
state-accepted = { $count ->
    [one] accepté
   *[other] acceptés
}
state-at-risk = { $count ->
    [one] accepté avec risque
   *[other] acceptés avec risque
}
state-bounced = { $count ->
    [one] non arrivé
   *[other] non arrivés
}
state-cancelled = { $count ->
    [one] annulé
   *[other] annulé
}
state-finished = terminé
state-held = { $count ->
    [one] retenu
   *[other] retenus
}
state-interrupted = interrompu
state-paused = en pause
state-pending = { $count ->
    [one] en attente
   *[other] restants
}
state-refused = { $count ->
    [one] refusé
   *[other] refusés
}
state-running = en cours
state-suppressed = { $count ->
    [one] exclu
   *[other] exclus
}
state-unknown = { $count ->
    [one] incertain
   *[other] incertains
}
state-waiting = en attente
state-written = { $count ->
    [one] écrit
   *[other] écrits
}
domain-progress = { $done } sur { $all } : { $domain }
not-a-domain = « { $text } » n'est pas un nom de domaine
key-made = la clé privée est dans { $file }, que vous seul pouvez lire ; publiez l'enregistrement ci-dessus
key-next = chez le fournisseur qui ne signe pas, dans depeche.toml :
    {"  "}{ $line }
    puis `depeche domain check { $domain }`
key-exists = { $file } existe déjà, et une clé n'est jamais écrasée
key-exists-hint = prenez un autre --selector, ou nommez un autre fichier avec --output
learned = { $provider } dans { $file } nomme maintenant les sélecteurs avec lesquels il signe : { $selectors }
learned-nothing-new = { $provider } dans { $file } nomme déjà ces sélecteurs
learn-nothing = rien à apprendre : aucune signature de { $domain } ne passe
learn-stranger = ce message est de { $domain }, depeche.toml envoie au nom de { $own } : rien n'en a été appris
learn-stranger-hint = donnez un message envoyé au nom de { $own } et reçu en retour, ou vérifiez celui-ci sans --learn
learn-whose = la clé ne dit pas à qui est le sélecteur { $selector } : nommez le fournisseur
learn-place = { $provider } n'a pas de [[provider]] à lui dans depeche.toml : ajoutez-y la ligne à la main
message-pair = « { $text } » ne nomme pas un fournisseur et un fichier
message-proves-nothing = { $file } ne prouve rien : aucune de ses signatures ne passe
standing-good = { $provider } dit que { $domain } est authentifié
standing-bad = { $provider } dit que { $domain } n'est pas authentifié : { $reason }
evidence-not-kept = Ce que l'on sait de { $provider } n'a pas pu être gardé pour le jour de l'envoi : { $reason }
standing-failed = { $provider } n'a pas pu être interrogé sur le domaine : { $reason }
baseline-kept = gardé dans { $file } : { $domains }
baseline-open = { $domain } n'est pas gardé dans { $file } : le DNS a laissé quelque chose en suspens
admission-local = le DNS ne dit rien d'un serveur de cette machine
admission-no-dns = cette machine n'indique aucun serveur de noms
admission-no-answer = le DNS ne répond pas
admission-nobody = DMARC refuserait ce communiqué par tous les fournisseurs :
    {"  "}{ $reasons }
admission-hint = depeche domain check montre ce qu'il faut publier ; --unauthenticated envoie quand même
told-blocked = { $provider } n'est pas utilisé : { $reason }
told-not-checked = { $provider } est utilisé sans que son authentification soit vérifiée : { $reason }
plan-proved = { $provider } passe DMARC : { $legs }
plan-fails = { $provider } échoue à DMARC (aucune politique ne demande encore de le refuser) : { $reason }
stdout-plan = la sortie standard prend un seul de --html - et --json ; donnez un fichier à la page
stdout-contacts = la sortie standard prend un seul de la liste, --rejects - et --json ; donnez un fichier aux autres, par --output ou --rejects
stdout-report = la sortie standard prend un seul de --csv -, --html - et --json ; donnez un fichier aux autres
report-title = Rapport sur { $run }
report-recipients = destinataires
report-to-ring = Qui appeler
report-over-time = Acceptés au fil du temps, par fournisseur
report-by-outlet = Par média
report-by-domain = Par domaine de réception
report-everybody = Tout le monde
report-other = autres
column-state = état
column-address = adresse
column-provider = fournisseur
column-at = quand
column-reply = réponse
column-later = ensuite
column-name = nom
column-outlet = média
column-phone = téléphone
column-tier = rang
column-why = pourquoi
why-at-risk = accepté par { $provider } le { $at } ; { $outage }
why-unknown = nul ne sait si { $provider } l'a pris
why-told = { $what } : { $reason }
why-held = retenu par { $provider }
why-pending = pas encore envoyé
report-not-delivered = Accepté veut dire qu'un fournisseur a pris le message ; distribué est ce qu'un événement dit ensuite. Pour demander les événements : depeche sync
report-nobody-to-ring = Personne n'est à appeler.
report-fold = à partir du n° { $from }
report-folded = La liste est repliée, mille personnes par pli ; seul ce qui est déplié s'imprime. Une table entière : depeche report --csv FICHIER
report-later = Ce qui fut dit ensuite :
report-made = au
plan-quota-left = { $provider } avait encore { $count } messages, à ce qu'il a dit le { $at } (provider test)
plan-quota-hour = { $provider } prend { $count } messages par heure, à ce qu'il a dit le { $at } (provider test)
plan-share = { $provider } en prend { $count }
plan-share-minutes = { $provider } en prend { $count }, en { $minutes } min environ
plan-pace = { $domain } en reçoit { $count }, à sa propre cadence
plan-pace-minutes = { $domain } en reçoit { $count }, à sa propre cadence : { $minutes } min environ
plan-waits = { $count } attendent qu'un quota se libère
