//! The words of the pages that visitors see, in the languages that browsers ask for.

/// The words of one language. `{}` stands for a number.
#[derive(Debug)]
pub(super) struct Words {
    /// Language tag (RFC 5646), first subtag only.
    pub(super) tag: &'static str,
    pub(super) heading: &'static str,
    pub(super) checking: &'static str,
    pub(super) in_line: &'static str,
    pub(super) ahead: &'static str,
    pub(super) without_script: &'static str,
    pub(super) go_on: &'static str,
    pub(super) done: &'static str,
    pub(super) failed: &'static str,
}

/// The first is for browsers that ask for none of them.
pub(super) const LANGUAGES: [Words; 10] = [
    Words {
        tag: "en",
        heading: "One moment, please",
        checking: "This site is very busy right now. Your browser is doing a short check, and the page then opens by itself. You do not need to do anything.",
        in_line: "This site is very busy right now. You are in line, and the page opens by itself as soon as it is your turn. You do not need to do anything.",
        ahead: "Visitors ahead of you: {}",
        without_script: "Without JavaScript the page opens by itself after {} seconds.",
        go_on: "Continue",
        done: "Done. The page is opening.",
        failed: "That did not work. Please reload the page.",
    },
    Words {
        tag: "de",
        heading: "Einen Moment, bitte",
        checking: "Diese Website wird gerade sehr stark besucht. Ihr Browser führt eine kurze Prüfung durch, danach öffnet sich die Seite von selbst. Sie müssen nichts tun.",
        in_line: "Diese Website wird gerade sehr stark besucht. Sie sind in der Warteschlange, und die Seite öffnet sich von selbst, sobald Sie an der Reihe sind. Sie müssen nichts tun.",
        ahead: "Besucher vor Ihnen: {}",
        without_script: "Ohne JavaScript öffnet sich die Seite nach {} Sekunden von selbst.",
        go_on: "Weiter",
        done: "Fertig. Die Seite wird geöffnet.",
        failed: "Das hat nicht geklappt. Bitte laden Sie die Seite neu.",
    },
    Words {
        tag: "fr",
        heading: "Un instant, s’il vous plaît",
        checking: "Ce site est très sollicité en ce moment. Votre navigateur effectue une courte vérification, puis la page s’ouvrira d’elle-même. Vous n’avez rien à faire.",
        in_line: "Ce site est très sollicité en ce moment. Vous êtes dans la file d’attente et la page s’ouvrira d’elle-même dès que ce sera votre tour. Vous n’avez rien à faire.",
        ahead: "Visiteurs avant vous : {}",
        without_script: "Sans JavaScript, la page s’ouvre d’elle-même après {} secondes.",
        go_on: "Continuer",
        done: "C’est fait. La page s’ouvre.",
        failed: "Cela n’a pas fonctionné. Veuillez recharger la page.",
    },
    Words {
        tag: "es",
        heading: "Un momento, por favor",
        checking: "Este sitio recibe muchas visitas en este momento. Su navegador está haciendo una breve comprobación y después la página se abrirá sola. No tiene que hacer nada.",
        in_line: "Este sitio recibe muchas visitas en este momento. Está en la cola y la página se abrirá sola cuando llegue su turno. No tiene que hacer nada.",
        ahead: "Visitantes delante de usted: {}",
        without_script: "Sin JavaScript, la página se abre sola al cabo de {} segundos.",
        go_on: "Continuar",
        done: "Listo. La página se está abriendo.",
        failed: "No ha funcionado. Vuelva a cargar la página, por favor.",
    },
    Words {
        tag: "it",
        heading: "Un momento, per favore",
        checking: "In questo momento il sito è molto visitato. Il browser sta eseguendo una breve verifica, poi la pagina si aprirà da sola. Non deve fare nulla.",
        in_line: "In questo momento il sito è molto visitato. È in coda e la pagina si aprirà da sola quando sarà il suo turno. Non deve fare nulla.",
        ahead: "Visitatori prima di Lei: {}",
        without_script: "Senza JavaScript la pagina si apre da sola dopo {} secondi.",
        go_on: "Continua",
        done: "Fatto. La pagina si sta aprendo.",
        failed: "Non ha funzionato. Ricarichi la pagina, per favore.",
    },
    Words {
        tag: "pt",
        heading: "Um momento, por favor",
        checking: "Este site está a receber muitas visitas neste momento. O navegador está a fazer uma breve verificação e a página abre-se depois sozinha. Não precisa de fazer nada.",
        in_line: "Este site está a receber muitas visitas neste momento. Está na fila e a página abre-se sozinha quando chegar a sua vez. Não precisa de fazer nada.",
        ahead: "Visitantes à sua frente: {}",
        without_script: "Sem JavaScript, a página abre-se sozinha ao fim de {} segundos.",
        go_on: "Continuar",
        done: "Pronto. A página está a abrir.",
        failed: "Não funcionou. Recarregue a página, por favor.",
    },
    Words {
        tag: "nl",
        heading: "Een ogenblik geduld",
        checking: "Deze site wordt op dit moment erg druk bezocht. Uw browser voert een korte controle uit en daarna opent de pagina vanzelf. U hoeft niets te doen.",
        in_line: "Deze site wordt op dit moment erg druk bezocht. U staat in de rij en de pagina opent vanzelf zodra u aan de beurt bent. U hoeft niets te doen.",
        ahead: "Bezoekers voor u: {}",
        without_script: "Zonder JavaScript opent de pagina na {} seconden vanzelf.",
        go_on: "Doorgaan",
        done: "Klaar. De pagina wordt geopend.",
        failed: "Dat is niet gelukt. Laad de pagina opnieuw.",
    },
    Words {
        tag: "pl",
        heading: "Proszę chwilę zaczekać",
        checking: "Ta strona ma teraz bardzo wielu odwiedzających. Przeglądarka wykonuje krótkie sprawdzenie, po czym strona otworzy się sama. Nie trzeba nic robić.",
        in_line: "Ta strona ma teraz bardzo wielu odwiedzających. Jesteś w kolejce, a strona otworzy się sama, gdy nadejdzie Twoja kolej. Nie trzeba nic robić.",
        ahead: "Odwiedzający przed Tobą: {}",
        without_script: "Bez JavaScriptu strona otworzy się sama po {} sekundach.",
        go_on: "Dalej",
        done: "Gotowe. Strona się otwiera.",
        failed: "Nie udało się. Proszę odświeżyć stronę.",
    },
    Words {
        tag: "cs",
        heading: "Okamžik, prosím",
        checking: "Tento web má právě velmi mnoho návštěvníků. Váš prohlížeč provádí krátkou kontrolu a stránka se poté otevře sama. Nemusíte nic dělat.",
        in_line: "Tento web má právě velmi mnoho návštěvníků. Jste ve frontě a stránka se otevře sama, jakmile na vás přijde řada. Nemusíte nic dělat.",
        ahead: "Návštěvníků před vámi: {}",
        without_script: "Bez JavaScriptu se stránka otevře sama po {} sekundách.",
        go_on: "Pokračovat",
        done: "Hotovo. Stránka se otevírá.",
        failed: "To se nepodařilo. Načtěte prosím stránku znovu.",
    },
    Words {
        tag: "sv",
        heading: "Ett ögonblick",
        checking: "Den här webbplatsen har väldigt många besökare just nu. Din webbläsare gör en kort kontroll och sedan öppnas sidan av sig själv. Du behöver inte göra något.",
        in_line: "Den här webbplatsen har väldigt många besökare just nu. Du står i kö och sidan öppnas av sig själv när det är din tur. Du behöver inte göra något.",
        ahead: "Besökare före dig: {}",
        without_script: "Utan JavaScript öppnas sidan av sig själv efter {} sekunder.",
        go_on: "Fortsätt",
        done: "Klart. Sidan öppnas.",
        failed: "Det fungerade inte. Ladda om sidan.",
    },
];

/// The language that `accept_language` (RFC 9110 section 12.5.4) likes best of those that we have.
pub(super) fn best(accept_language: &[u8]) -> &'static Words {
    const LONGEST_BYTES: usize = 512;
    let field = &accept_language[..accept_language.len().min(LONGEST_BYTES)];
    let mut best = (0, &LANGUAGES[0]);
    for part in field.split(|b| *b == b',') {
        let mut pieces = part.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let range = pieces.next().unwrap_or(b"");
        let tag = range.split(|b| *b == b'-').next().unwrap_or(range);
        let weight = pieces.find_map(|p| p.strip_prefix(b"q=")).map_or(1_000, thousandths);
        let found = LANGUAGES.iter().find(|words| tag.eq_ignore_ascii_case(words.tag.as_bytes()));
        if let Some(words) = found.filter(|_| weight > best.0) {
            best = (weight, words);
        }
    }
    best.1
}

/// A weight such as `0.8` in thousandths; what is no weight counts as none.
fn thousandths(text: &[u8]) -> u32 {
    let text = std::str::from_utf8(text).unwrap_or("");
    text.parse::<f32>().ok().filter(|w| (0.0..=1.0).contains(w)).map_or(0, |w| (w * 1_000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_language_is_chosen() {
        for (field, tag) in [
            ("de-CH, fr;q=0.9", "de"),
            ("ja, fr;q=0.5, pl;q=0.7", "pl"),
            ("", "en"),
            ("zh-CN", "en"),
            ("ES", "es"),
            ("it;q=0, nl;q=0.1", "nl"),
            ("de;q=nan, fr;q=9, ;;;,,", "en"),
        ] {
            assert_eq!(best(field.as_bytes()).tag, tag, "{field}");
        }
    }

    #[test]
    fn every_language_says_everything() {
        for words in &LANGUAGES {
            assert_eq!(words.ahead.matches("{}").count(), 1, "{}", words.tag);
            assert_eq!(words.without_script.matches("{}").count(), 1, "{}", words.tag);
            for text in [words.heading, words.checking, words.in_line, words.go_on, words.done, words.failed]
            {
                assert!(text.len() > 3 && !text.contains(['<', '>', '&', '"']), "{}: {text}", words.tag);
            }
        }
    }
}
