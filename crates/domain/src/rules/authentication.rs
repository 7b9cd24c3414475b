//! The rules about providers, SPF, DKIM and DMARC.

use super::{Rule, Words};

const fn words(title: &'static str, meaning: &'static str, cure: &'static str) -> Words {
    Words { title, meaning, cure }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "PROV-ALIGN",
        reference: "RFC 9989, sections 4.4 and 5",
        en: words(
            "a provider must be able to pass DMARC",
            "Mail passes DMARC when DKIM or SPF passes for the From domain itself. A provider that signs and sends only in its own name passes SPF and DKIM and still fails DMARC: on the day it has to take over, its mail is refused or filed as spam. One leg alone is enough, but nothing is left when a list or a forward breaks it.",
            "Publish the provider's DKIM records under your domain (`depeche domain suggest`), and where it offers one, a return path of your own.",
        ),
        fr: words(
            "chaque fournisseur doit pouvoir passer DMARC",
            "Un message passe DMARC quand DKIM ou SPF passe pour le domaine de l'expéditeur lui-même. Un fournisseur qui ne signe et n'envoie qu'en son propre nom passe SPF et DKIM, et échoue pourtant à DMARC : le jour où il doit prendre le relais, ses messages sont refusés ou classés en indésirables. Une seule jambe suffit, mais il ne reste rien quand une liste ou un transfert la casse.",
            "Publiez les enregistrements DKIM du fournisseur sous votre domaine (`depeche domain suggest`) et, quand il le propose, une adresse de retour à vous.",
        ),
    },
    Rule {
        id: "PROV-FROM-REWRITE",
        reference: "the providers' help pages on sender authentication",
        en: words(
            "the provider will replace your From address",
            "Brevo, Mailchimp and Mailchimp Transactional do not send in the name of a domain that is not authenticated with them: they replace the From address by one of their own, or refuse. Journalists then see a sender they do not know.",
            "Publish the provider's DKIM records and its ownership code, then authenticate the domain in its control panel.",
        ),
        fr: words(
            "le fournisseur remplacera votre adresse d'expéditeur",
            "Brevo, Mailchimp et Mailchimp Transactional n'envoient pas au nom d'un domaine qui n'est pas authentifié chez eux : ils remplacent l'adresse d'expéditeur par une des leurs, ou refusent. Les journalistes voient alors un expéditeur inconnu.",
            "Publiez les enregistrements DKIM du fournisseur et son code de propriété, puis authentifiez le domaine dans son interface.",
        ),
    },
    Rule {
        id: "PROV-DKIM-CNAME",
        reference: "RFC 6376, section 3.6.2",
        en: words(
            "a provider's key is missing or leads nowhere",
            "The provider signs with a key that receivers look up under your domain, through a CNAME record into its zone. When the record is missing, leads to another zone, to another customer's or another selector's key, to a name without a key, or to a revoked key, its signatures do not count. Of keys that depeche signs with itself, what is published must be the public half of the private key, and that key must be readable.",
            "Publish exactly the record that the provider shows in its control panel.",
        ),
        fr: words(
            "une clé du fournisseur manque ou ne mène nulle part",
            "Le fournisseur signe avec une clé que les destinataires cherchent sous votre domaine, par un enregistrement CNAME vers sa zone. Si l'enregistrement manque, mène à une autre zone, à la clé d'un autre client ou d'un autre sélecteur, à un nom sans clé ou à une clé révoquée, ses signatures ne comptent pas. Pour les clés avec lesquelles depeche signe lui-même, ce qui est publié doit être la moitié publique de la clé privée, et celle-ci doit être lisible.",
            "Publiez exactement l'enregistrement que le fournisseur affiche dans son interface.",
        ),
    },
    Rule {
        id: "PROV-LEG-LOST",
        reference: "RFC 9989, section 4.4; the baseline of `domain check --baseline`",
        en: words(
            "a provider lost a leg that it had",
            "When the baseline was written, mail through this provider passed DMARC by this leg; now it does not. Somebody changed the zone, or the provider changed its own.",
            "Put back the record that the leg rested on; the reason names it. If the change was meant, write a new baseline.",
        ),
        fr: words(
            "un fournisseur a perdu une jambe qu'il avait",
            "Quand la référence a été écrite, le courrier de ce fournisseur passait DMARC par cette jambe ; plus maintenant. Quelqu'un a changé la zone, ou le fournisseur la sienne.",
            "Remettez l'enregistrement sur lequel la jambe reposait ; la raison le nomme. Si le changement est voulu, écrivez une nouvelle référence.",
        ),
    },
    Rule {
        id: "DMARC-PROV-POLICY",
        reference: "RFC 9989, section 4.7",
        en: words(
            "your own policy rejects what a provider sends",
            "The DMARC record asks receivers to refuse or set aside mail that fails, and a provider of the chain fails. Its mail does not arrive, by your own order.",
            "Mend the provider's DKIM first; until then leave it out of the route, or go back to p=none.",
        ),
        fr: words(
            "votre propre politique rejette ce qu'un fournisseur envoie",
            "L'enregistrement DMARC demande de refuser ou d'écarter ce qui échoue, et un fournisseur de la chaîne échoue. Ses messages n'arrivent pas, sur votre ordre.",
            "Réparez d'abord le DKIM du fournisseur ; d'ici là, retirez-le de la route ou revenez à p=none.",
        ),
    },
    Rule {
        id: "SPF-MISSING",
        reference: "RFC 7208, section 4.5",
        en: words(
            "there is no SPF record",
            "Receivers cannot tell who may send for the domain. Gmail, Yahoo, Microsoft and Orange want SPF from everybody who sends to many.",
            "Publish one TXT record that begins with v=spf1 at the domain itself.",
        ),
        fr: words(
            "il n'y a pas d'enregistrement SPF",
            "Les destinataires ne savent pas qui peut envoyer pour le domaine. Gmail, Yahoo, Microsoft et Orange exigent SPF de qui envoie en nombre.",
            "Publiez un enregistrement TXT qui commence par v=spf1 au nom du domaine.",
        ),
    },
    Rule {
        id: "SPF-SEVERAL",
        reference: "RFC 7208, section 4.5",
        en: words(
            "there are several SPF records",
            "More than one record is a permanent error: SPF fails for every sender, also the right ones.",
            "Merge them into one: all terms between v=spf1 and one final all.",
        ),
        fr: words(
            "il y a plusieurs enregistrements SPF",
            "Plus d'un enregistrement est une erreur permanente : SPF échoue pour tous, même les bons expéditeurs.",
            "Fusionnez-les en un seul : tous les termes entre v=spf1 et un seul all final.",
        ),
    },
    Rule {
        id: "SPF-SYNTAX",
        reference: "RFC 7208, sections 4.6.1 and 12",
        en: words(
            "the SPF record cannot be read",
            "One misspelt term makes the whole record a permanent error, also for the terms that are right.",
            "Correct the term at the marked place.",
        ),
        fr: words(
            "l'enregistrement SPF ne peut pas être lu",
            "Un seul terme mal écrit rend tout l'enregistrement invalide, même pour les termes corrects.",
            "Corrigez le terme à l'endroit indiqué.",
        ),
    },
    Rule {
        id: "SPF-LOOKUPS",
        reference: "RFC 7208, section 4.6.4",
        en: words(
            "SPF needs too many look-ups",
            "An evaluation may make ten look-ups, includes of includes counted. The eleventh is a permanent error. From eight on the next change at a provider may be one too many.",
            "Take out includes that cannot help (see SPF-USELESS), or name addresses with ip4: and ip6:.",
        ),
        fr: words(
            "SPF demande trop de recherches",
            "Une évaluation a droit à dix recherches DNS, y compris celles des include imbriqués. La onzième est une erreur permanente. À partir de huit, le prochain changement d'un fournisseur peut être celui de trop.",
            "Retirez les include inutiles (voir SPF-USELESS) ou nommez des adresses avec ip4: et ip6:.",
        ),
    },
    Rule {
        id: "SPF-VOID",
        reference: "RFC 7208, section 4.6.4",
        en: words(
            "SPF asks for names that do not exist",
            "A third look-up that finds nothing is a permanent error. A name that does not exist can also be registered by somebody else, who then may send as you.",
            "Take the term out.",
        ),
        fr: words(
            "SPF interroge des noms qui n'existent pas",
            "Une troisième recherche sans résultat est une erreur permanente. Un nom qui n'existe pas peut aussi être acheté par un tiers, qui pourrait alors envoyer en votre nom.",
            "Retirez le terme.",
        ),
    },
    Rule {
        id: "SPF-INCLUDE",
        reference: "RFC 7208, section 5.2",
        en: words(
            "an include or redirect leads to no good record",
            "When the domain behind include: or redirect= has no SPF record, several, or one that cannot be read, the whole evaluation is a permanent error.",
            "Correct the name, or take the term out.",
        ),
        fr: words(
            "un include ou redirect ne mène pas à un bon enregistrement",
            "Si le domaine derrière include: ou redirect= n'a pas d'enregistrement SPF, en a plusieurs, ou un illisible, toute l'évaluation est une erreur permanente.",
            "Corrigez le nom ou retirez le terme.",
        ),
    },
    Rule {
        id: "SPF-ALL",
        reference: "RFC 7208, section 5.1",
        en: words(
            "the SPF record does not end in ~all or -all",
            "+all lets the whole world send as you. ?all, or no all, says nothing about strangers. Terms after all are never read.",
            "End the record in ~all (with DMARC that is enough) or -all.",
        ),
        fr: words(
            "l'enregistrement SPF ne se termine pas par ~all ou -all",
            "+all permet au monde entier d'envoyer en votre nom. ?all, ou l'absence de all, ne dit rien des inconnus. Ce qui suit all n'est jamais lu.",
            "Terminez par ~all (avec DMARC, c'est suffisant) ou -all.",
        ),
    },
    Rule {
        id: "SPF-PTR",
        reference: "RFC 7208, section 5.5",
        en: words(
            "the SPF record uses ptr",
            "ptr is slow, costs look-ups of the sender's address, and receivers may ignore it. The standard says not to use it.",
            "Name the servers with a:, ip4: or ip6: instead.",
        ),
        fr: words(
            "l'enregistrement SPF utilise ptr",
            "ptr est lent, coûte des recherches sur l'adresse de l'expéditeur, et peut être ignoré. La norme dit de ne pas l'utiliser.",
            "Nommez plutôt les serveurs avec a:, ip4: ou ip6:.",
        ),
    },
    Rule {
        id: "SPF-USELESS",
        reference: "RFC 9989, section 4.4.2",
        en: words(
            "an include that cannot help DMARC",
            "This provider sends with a return path of its own, so receivers never look at your SPF record for its mail. The include costs look-ups and lets every other customer of the provider pass SPF for your name.",
            "Take it out, and rely on the provider's DKIM.",
        ),
        fr: words(
            "un include qui ne peut rien pour DMARC",
            "Ce fournisseur envoie avec sa propre adresse de retour : les destinataires ne consultent jamais votre SPF pour ses messages. L'include coûte des recherches et laisse tous ses autres clients passer SPF à votre nom.",
            "Retirez-le et reposez-vous sur le DKIM du fournisseur.",
        ),
    },
    Rule {
        id: "SPF-SIZE",
        reference: "RFC 7208, section 3.4",
        en: words(
            "the TXT records of the domain are large",
            "All TXT records at the domain come in one answer. Above about 450 octets it may not fit a plain UDP packet, and some receivers then see no SPF at all.",
            "Delete verification codes that are no longer needed.",
        ),
        fr: words(
            "les enregistrements TXT du domaine sont volumineux",
            "Tous les TXT du domaine arrivent dans une seule réponse. Au-delà d'environ 450 octets, elle peut ne plus tenir dans un paquet UDP simple, et certains destinataires ne voient plus de SPF.",
            "Supprimez les codes de vérification devenus inutiles.",
        ),
    },
    Rule {
        id: "DKIM-KEY",
        reference: "RFC 6376, section 3.6.1; RFC 8301; RFC 8463",
        en: words(
            "a DKIM key cannot be used",
            "Receivers treat a signature with this key as if there were none: it is revoked, too short, damaged, of an unknown type, not for mail, or stands beside another record.",
            "Publish the key again, as one TXT record.",
        ),
        fr: words(
            "une clé DKIM est inutilisable",
            "Les destinataires traitent une signature avec cette clé comme absente : elle est révoquée, trop courte, abîmée, d'un type inconnu, pas destinée au courrier, ou côtoie un autre enregistrement.",
            "Publiez de nouveau la clé, en un seul enregistrement TXT.",
        ),
    },
    Rule {
        id: "DKIM-SHORT",
        reference: "RFC 8301, section 3.2",
        en: words(
            "a DKIM key is shorter than 2048 bits",
            "Keys of 1024 bits still pass, but can be broken by those who care to, and receivers have begun to mark them down.",
            "Ask the provider for a 2048 bit key and publish it under a new selector.",
        ),
        fr: words(
            "une clé DKIM fait moins de 2048 bits",
            "Les clés de 1024 bits passent encore, mais peuvent être cassées par qui s'en donne la peine, et certains destinataires commencent à les pénaliser.",
            "Demandez une clé de 2048 bits au fournisseur et publiez-la sous un nouveau sélecteur.",
        ),
    },
    Rule {
        id: "DKIM-TESTING",
        reference: "RFC 6376, section 3.6.1; RFC 8301, section 3.1",
        en: words(
            "a DKIM key says that it is only a try, or is behind the times",
            "t=y tells receivers not to treat a broken signature otherwise than no signature; h=sha1 and g= belong to older standards. The key works, but not as you mean it to.",
            "Take the tag out of the record.",
        ),
        fr: words(
            "une clé DKIM se dit à l'essai, ou date d'une norme ancienne",
            "t=y dit aux destinataires de ne pas distinguer une signature cassée d'une absence de signature ; h=sha1 et g= viennent de normes anciennes. La clé fonctionne, mais pas comme vous le pensez.",
            "Retirez cette balise de l'enregistrement.",
        ),
    },
    Rule {
        id: "DKIM-UNKNOWN",
        reference: "RFC 6376, section 3.1",
        en: words(
            "a selector is not known, so its key was not checked",
            "Selectors cannot be listed by asking DNS. What was not named was not checked: it has neither passed nor failed.",
            "Name it with --selector, or run `depeche message verify` on a received message: it shows the selector.",
        ),
        fr: words(
            "un sélecteur n'est pas connu : sa clé n'a pas été vérifiée",
            "On ne peut pas demander au DNS la liste des sélecteurs. Ce qui n'a pas été nommé n'a pas été vérifié : ni bon, ni mauvais.",
            "Nommez-le avec --selector, ou lancez `depeche message verify` sur un message reçu : il montre le sélecteur.",
        ),
    },
    Rule {
        id: "DMARC-MISSING",
        reference: "RFC 9989, section 4.10.1",
        en: words(
            "there is no DMARC record",
            "Anybody can send in the domain's name without consequence, and Gmail, Yahoo, Microsoft and Orange want a DMARC record from everybody who sends to many.",
            "Publish a TXT record at _dmarc with v=DMARC1; p=none and a reporting address, then tighten it step by step.",
        ),
        fr: words(
            "il n'y a pas d'enregistrement DMARC",
            "N'importe qui peut envoyer au nom du domaine sans conséquence, et Gmail, Yahoo, Microsoft et Orange exigent DMARC de qui envoie en nombre.",
            "Publiez à _dmarc un TXT v=DMARC1; p=none avec une adresse de rapports, puis durcissez par étapes.",
        ),
    },
    Rule {
        id: "DMARC-SEVERAL",
        reference: "RFC 9989, section 4.10",
        en: words(
            "there are several DMARC records",
            "Several records at one name count as none.",
            "Keep one.",
        ),
        fr: words(
            "il y a plusieurs enregistrements DMARC",
            "Plusieurs enregistrements au même nom comptent comme aucun.",
            "N'en gardez qu'un.",
        ),
    },
    Rule {
        id: "DMARC-SYNTAX",
        reference: "RFC 9989, sections 4.7 and 4.8",
        en: words(
            "the DMARC record holds something that cannot be read",
            "Receivers skip what they cannot read; a policy that cannot be read counts as p=none, or makes the record void when there is no reporting address.",
            "Correct the tag at the marked place.",
        ),
        fr: words(
            "l'enregistrement DMARC contient un élément illisible",
            "Les destinataires ignorent ce qu'ils ne savent pas lire ; une politique illisible compte comme p=none, ou annule l'enregistrement s'il n'y a pas d'adresse de rapports.",
            "Corrigez la balise à l'endroit indiqué.",
        ),
    },
    Rule {
        id: "DMARC-REMOVED",
        reference: "RFC 9989, appendices A.6 and C",
        en: words(
            "the DMARC record uses a tag that has no effect any more",
            "RFC 9989 removed pct, rf and ri. With pct below 100 some receivers still apply the policy to part of the mail, others to all of it.",
            "Take the tag out; t=y is what remains of pct=0.",
        ),
        fr: words(
            "l'enregistrement DMARC utilise une balise sans effet",
            "La RFC 9989 a retiré pct, rf et ri. Avec pct sous 100, certains destinataires appliquent encore la politique à une partie des messages, d'autres à tous.",
            "Retirez la balise ; t=y remplace pct=0.",
        ),
    },
    Rule {
        id: "DMARC-NONE",
        reference: "RFC 9989, section 4.7",
        en: words(
            "the DMARC policy asks for nothing",
            "p=none lets forged mail through. It is the right first step and a poor last one.",
            "When the reports show that every provider passes, go to p=quarantine, then p=reject.",
        ),
        fr: words(
            "la politique DMARC ne demande rien",
            "p=none laisse passer les faux. C'est une bonne première étape et une mauvaise dernière.",
            "Quand les rapports montrent que tous les fournisseurs passent, allez à p=quarantine, puis p=reject.",
        ),
    },
    Rule {
        id: "DMARC-TESTING",
        reference: "RFC 9989, section 4.7",
        en: words(
            "the DMARC record says that it is only a try",
            "With t=y receivers apply one step less than the policy says: reject becomes quarantine, quarantine becomes none.",
            "Take t=y out when the reports are good.",
        ),
        fr: words(
            "l'enregistrement DMARC se dit à l'essai",
            "Avec t=y, les destinataires appliquent un cran de moins : reject devient quarantine, quarantine devient none.",
            "Retirez t=y quand les rapports sont bons.",
        ),
    },
    Rule {
        id: "DMARC-SUBDOMAIN",
        reference: "RFC 9989, section 4.7",
        en: words(
            "subdomains are protected less than the domain",
            "sp= or np= is weaker than p=: whoever forges mail takes any subdomain, which looks as good to a reader.",
            "Take sp= and np= out, or make them as strong as p=.",
        ),
        fr: words(
            "les sous-domaines sont moins protégés que le domaine",
            "sp= ou np= est plus faible que p= : un faussaire prendra un sous-domaine, tout aussi crédible pour le lecteur.",
            "Retirez sp= et np=, ou rendez-les aussi stricts que p=.",
        ),
    },
    Rule {
        id: "DMARC-NO-REPORTS",
        reference: "RFC 9989, section 4.7; RFC 9990",
        en: words(
            "the DMARC record asks for no reports",
            "Without rua= nobody tells you which provider fails, or who forges your name.",
            "Add rua=mailto: and an address that somebody reads.",
        ),
        fr: words(
            "l'enregistrement DMARC ne demande pas de rapports",
            "Sans rua=, personne ne vous dit quel fournisseur échoue, ni qui usurpe votre nom.",
            "Ajoutez rua=mailto: et une adresse que quelqu'un lit.",
        ),
    },
    Rule {
        id: "DMARC-EXTERNAL",
        reference: "RFC 9990, section 4",
        en: words(
            "reports go to a domain that did not agree to take them",
            "Receivers send reports to another organisation only when that organisation publishes its leave. Without it no report arrives.",
            "Have the other organisation publish the record, or take an address of your own.",
        ),
        fr: words(
            "les rapports vont à un domaine qui ne les a pas acceptés",
            "Les destinataires n'envoient de rapports à une autre organisation que si elle publie son accord. Sans lui, aucun rapport n'arrive.",
            "Faites publier l'enregistrement par l'autre organisation, ou prenez une adresse à vous.",
        ),
    },
];
