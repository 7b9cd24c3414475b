//! The rules about what stands around: DNS itself, mail exchangers, transport, large receivers.

use super::{Rule, Words};

const fn words(title: &'static str, meaning: &'static str, cure: &'static str) -> Words {
    Words { title, meaning, cure }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "DNS-UNCHECKED",
        reference: "RFC 8601, section 2.7 (temperror)",
        en: words(
            "something could not be checked",
            "DNS gave no answer: a time-out, a server failure or a refusal. That says nothing about the record; it is neither missing nor right.",
            "Try again; if it stays so, ask the operator of the name servers.",
        ),
        fr: words(
            "un point n'a pas pu être vérifié",
            "Le DNS n'a pas répondu : délai dépassé, panne du serveur ou refus. Cela ne dit rien de l'enregistrement ; il n'est ni absent ni correct.",
            "Réessayez ; si cela dure, contactez l'opérateur des serveurs de noms.",
        ),
    },
    Rule {
        id: "DNS-NO-DOMAIN",
        reference: "RFC 8020; RFC 7208, section 4.3",
        en: words(
            "the domain does not exist",
            "DNS says that there is no such name. Receivers refuse mail from a domain that does not exist.",
            "Look for a typing error in the name; otherwise register the domain or renew it.",
        ),
        fr: words(
            "le domaine n'existe pas",
            "Le DNS dit que ce nom n'existe pas. Les destinataires refusent le courrier d'un domaine inexistant.",
            "Cherchez une faute de frappe ; sinon, enregistrez ou renouvelez le domaine.",
        ),
    },
    Rule {
        id: "DNS-SPOF",
        reference: "RFC 2182, section 3.1",
        en: words(
            "everything rests on one operator",
            "All name servers belong to one operator. When it is down, no receiver can look up your SPF, DKIM and DMARC, whoever sends; if it also runs the mailboxes, answers from journalists bounce too. Another sending provider does not help against that.",
            "Add a second DNS operator as secondary, and keep a contact address on another domain in the release.",
        ),
        fr: words(
            "tout repose sur un seul opérateur",
            "Tous les serveurs de noms sont chez un seul opérateur. S'il tombe, aucun destinataire ne peut lire vos SPF, DKIM et DMARC, quel que soit l'expéditeur ; s'il héberge aussi les boîtes, les réponses des journalistes reviennent en erreur. Un autre fournisseur d'envoi n'y change rien.",
            "Ajoutez un second opérateur DNS en secondaire, et gardez dans le communiqué une adresse de contact sur un autre domaine.",
        ),
    },
    Rule {
        id: "DNS-TTL",
        reference: "RFC 1035, section 3.2.1",
        en: words(
            "a record that may have to move in a crisis is kept for too long",
            "Resolvers keep the old record for its whole TTL. With more than a day, a change made during an outage comes too late.",
            "Lower the TTL to one hour (3600).",
        ),
        fr: words(
            "un enregistrement à changer en cas de crise est gardé trop longtemps",
            "Les résolveurs gardent l'ancien enregistrement pendant tout son TTL. Au-delà d'un jour, un changement fait pendant la panne arrive trop tard.",
            "Abaissez le TTL à une heure (3600).",
        ),
    },
    Rule {
        id: "DNSSEC",
        reference: "RFC 4035; RFC 9364",
        en: words(
            "the domain is not signed with DNSSEC",
            "The zone above holds no DS record. Only its presence was looked at: no signature was validated. Somebody on the way can forge answers about the domain, its keys and policies included. Few receivers ask for it today.",
            "Switch DNSSEC on at the registrar; most do it with one click.",
        ),
        fr: words(
            "le domaine n'est pas signé par DNSSEC",
            "La zone au-dessus ne contient pas d'enregistrement DS. Seule sa présence a été regardée : aucune signature n'a été validée. Un tiers sur le chemin peut falsifier les réponses sur le domaine, y compris ses clés et politiques. Peu de destinataires l'exigent aujourd'hui.",
            "Activez DNSSEC chez le bureau d'enregistrement ; souvent un seul clic suffit.",
        ),
    },
    Rule {
        id: "MX-MISSING",
        reference: "RFC 5321, section 5.1; RFC 7505",
        en: words(
            "the domain cannot receive mail",
            "Journalists answer to the From address, and bounces come back to it. Several receivers refuse mail from a domain that takes none (La Poste: 450 4.1.8).",
            "Publish an MX record, or send from a domain that has one.",
        ),
        fr: words(
            "le domaine ne peut pas recevoir de courrier",
            "Les journalistes répondent à l'adresse d'expéditeur, et les retours y reviennent. Plusieurs destinataires refusent le courrier d'un domaine qui n'en reçoit pas (La Poste : 450 4.1.8).",
            "Publiez un enregistrement MX, ou envoyez depuis un domaine qui en a un.",
        ),
    },
    Rule {
        id: "MX-BROKEN",
        reference: "RFC 5321, section 5.1; RFC 2181, section 10.3",
        en: words(
            "a mail exchanger has no address",
            "The MX record names a host that does not exist, has no address, or is an alias. Senders try it first and lose time, or give up.",
            "Correct the host name in the MX record.",
        ),
        fr: words(
            "un serveur MX n'a pas d'adresse",
            "L'enregistrement MX nomme un hôte inexistant, sans adresse, ou qui est un alias. Les expéditeurs l'essaient d'abord et perdent du temps, ou renoncent.",
            "Corrigez le nom d'hôte dans l'enregistrement MX.",
        ),
    },
    Rule {
        id: "HOST-PTR",
        reference: "RFC 1912, section 2.1; Gmail, Yahoo and Orange sender guidelines",
        en: words(
            "a sending address has no name that leads back to it",
            "Gmail, Yahoo and Orange refuse mail from an address without a PTR record whose name resolves to the same address.",
            "Have whoever runs the address set its PTR record to a name with a matching A or AAAA record.",
        ),
        fr: words(
            "une adresse d'envoi n'a pas de nom qui y ramène",
            "Gmail, Yahoo et Orange refusent le courrier d'une adresse sans PTR dont le nom mène à la même adresse.",
            "Faites poser par l'hébergeur un PTR vers un nom dont l'enregistrement A ou AAAA correspond.",
        ),
    },
    Rule {
        id: "TLS-RPT",
        reference: "RFC 8460, section 3",
        en: words(
            "nobody reports failed encryption",
            "With a TLS-RPT record senders tell you when mail to you could not be encrypted. It plays no part in sending. A record that does not keep to the grammar, or a second one, is read by nobody.",
            "Publish one record at _smtp._tls: v=TLSRPTv1; rua=mailto: and an address, or rua=https: and a page that takes reports.",
        ),
        fr: words(
            "personne ne signale les échecs de chiffrement",
            "Avec un enregistrement TLS-RPT, les expéditeurs vous disent quand un message vers vous n'a pas pu être chiffré. Il ne joue aucun rôle à l'envoi. Un enregistrement qui ne respecte pas la grammaire, ou un second, n'est lu par personne.",
            "Publiez un seul enregistrement à _smtp._tls : v=TLSRPTv1; rua=mailto: et une adresse, ou rua=https: et une page qui prend les rapports.",
        ),
    },
    Rule {
        id: "MTA-STS",
        reference: "RFC 8461, section 3.1",
        en: words(
            "mail to you may be sent without encryption",
            "MTA-STS makes senders refuse to deliver to you in the clear. It plays no part in sending. A record without its policy host is worse than none.",
            "Publish _mta-sts and the policy file, or take the record out.",
        ),
        fr: words(
            "le courrier vers vous peut voyager en clair",
            "MTA-STS interdit aux expéditeurs de vous livrer en clair. Il ne joue aucun rôle à l'envoi. Un enregistrement sans son serveur de politique est pire que rien.",
            "Publiez _mta-sts et le fichier de politique, ou retirez l'enregistrement.",
        ),
    },
    Rule {
        id: "MTA-STS-POLICY",
        reference: "RFC 8461, sections 3.2 and 3.3",
        en: words(
            "the MTA-STS policy cannot be used",
            "Senders fetch the policy from https://mta-sts.<domain>/.well-known/mta-sts.txt: without a redirect, as text/plain, with a certificate for that host. A policy that they cannot fetch or read counts as absent, and those who kept the one before go on obeying it.",
            "Serve the file as RFC 8461, section 3.2 shows it; after each change of it, change the id of the record.",
        ),
        fr: words(
            "la politique MTA-STS est inutilisable",
            "Les expéditeurs prennent la politique sur https://mta-sts.<domaine>/.well-known/mta-sts.txt : sans redirection, en text/plain, avec un certificat pour cet hôte. Une politique introuvable ou illisible compte comme absente, et qui a gardé la précédente continue de la suivre.",
            "Servez le fichier comme le montre la RFC 8461, section 3.2 ; après chaque changement, changez le id de l'enregistrement.",
        ),
    },
    Rule {
        id: "MTA-STS-MX",
        reference: "RFC 8461, section 4.1",
        en: words(
            "the MTA-STS policy leaves out a mail exchanger",
            "In mode enforce senders do not deliver to an exchanger that no mx line covers: answers to you come late or never. `*.` stands for exactly one label.",
            "Add the mx line, wait until the new policy is served, change the id of the record, and only then change the MX.",
        ),
        fr: words(
            "la politique MTA-STS oublie un serveur MX",
            "En mode enforce, les expéditeurs ne livrent pas à un serveur qu'aucune ligne mx ne couvre : les réponses arrivent tard ou jamais. `*.` vaut exactement un niveau.",
            "Ajoutez la ligne mx, attendez que la nouvelle politique soit servie, changez le id de l'enregistrement, et alors seulement changez le MX.",
        ),
    },
    Rule {
        id: "MTA-STS-MODE",
        reference: "RFC 8461, section 5",
        en: words(
            "the MTA-STS policy is not enforced",
            "In mode testing senders deliver all the same and only report, to the TLS-RPT address; mode none takes a policy back.",
            "When the reports stay clean, set mode: enforce and change the id of the record.",
        ),
        fr: words(
            "la politique MTA-STS n'est pas appliquée",
            "En mode testing, les expéditeurs livrent quand même et ne font que le signaler, à l'adresse TLS-RPT ; le mode none retire une politique.",
            "Quand les rapports restent propres, passez à mode: enforce et changez le id de l'enregistrement.",
        ),
    },
    Rule {
        id: "BIMI",
        reference: "draft-brand-indicators-for-message-identification, sections 4.2 and 4.3",
        en: words(
            "no logo beside your mail",
            "With BIMI some readers show your logo, once DMARC is at quarantine or reject. l= names the drawing (SVG, over https), a= its certificate, which Gmail and Apple Mail want. It is decoration. Only the record was judged: the drawing and the certificate were not fetched.",
            "Publish default._bimi with l= and a= when DMARC is enforced and the logo has its certificate; `v=BIMI1; l=; a=;` says that you want no logo.",
        ),
        fr: words(
            "pas de logo à côté de vos messages",
            "Avec BIMI, certaines messageries montrent votre logo, une fois DMARC à quarantine ou reject. l= désigne le dessin (SVG, en https), a= son certificat, que Gmail et Apple Mail exigent. C'est de la décoration. Seul l'enregistrement a été jugé : ni le dessin ni le certificat n'ont été téléchargés.",
            "Publiez default._bimi avec l= et a= quand DMARC est appliqué et que le logo a son certificat ; « v=BIMI1; l=; a=; » dit que vous ne voulez pas de logo.",
        ),
    },
    Rule {
        id: "BULK-GMAIL-YAHOO",
        reference: "Gmail: support.google.com/a/answer/81126; Yahoo: senders.yahooinc.com/best-practices (2024), for 5000 messages a day and more",
        en: words(
            "not all that Gmail and Yahoo want",
            "They want SPF and DKIM to pass, a DMARC record with one aligned leg, sending addresses whose name leads back to them, and one-click unsubscription (RFC 8058) that the signature covers.",
            "See the findings about the provider; for one-click give [unsubscribe] url with {token}; `depeche message verify` shows whether its headers are signed.",
        ),
        fr: words(
            "il manque quelque chose pour Gmail et Yahoo",
            "Ils exigent que SPF et DKIM passent, un enregistrement DMARC avec une jambe alignée, des adresses d'envoi dont le nom ramène à elles, et la désinscription en un clic (RFC 8058) couverte par la signature.",
            "Voyez les constats sur le fournisseur ; pour le clic unique, donnez à [unsubscribe] un url avec {token} ; `depeche message verify` dit si ses en-têtes sont signés.",
        ),
    },
    Rule {
        id: "BULK-MICROSOFT",
        reference: "Microsoft: support.microsoft.com 34cfe8f8, requirements for high-volume senders (2025): 550 5.7.515",
        en: words(
            "not all that Microsoft wants",
            "From 5000 messages a day Outlook.com wants SPF and DKIM both to pass, and DMARC with one of them aligned; otherwise it answers 550 5.7.515.",
            "See the findings about the provider.",
        ),
        fr: words(
            "il manque quelque chose pour Microsoft",
            "À partir de 5000 messages par jour, Outlook.com exige que SPF et DKIM passent tous deux, et DMARC avec l'un des deux aligné ; sinon il répond 550 5.7.515.",
            "Voyez les constats sur le fournisseur.",
        ),
    },
    Rule {
        id: "BULK-ORANGE",
        reference: "Orange: postmaster.orange.fr (2026), for 1000 messages a day and more",
        en: words(
            "not all that Orange wants",
            "Orange and Wanadoo want SPF and DKIM and DMARC, all three, and sending addresses whose name leads back to them; otherwise they answer OFR004_519 or OFR_515.",
            "See the findings about the provider.",
        ),
        fr: words(
            "il manque quelque chose pour Orange",
            "Orange et Wanadoo exigent SPF, DKIM et DMARC, tous les trois, et des adresses d'envoi dont le nom ramène à elles ; sinon ils répondent OFR004_519 ou OFR_515.",
            "Voyez les constats sur le fournisseur.",
        ),
    },
];
