# Die Texte der Konsole auf Deutsch.

webhooks = Webhooks
skip = Zum Inhalt
navigation = Hauptmenü
times-in = Zeiten in
back-to-product = Zurück zum Produkt
sign-out = Abmelden
read-only = Sie können hier alles ansehen und nichts ändern: Dieser Link oder Schlüssel erlaubt nur das Lesen.

nav-endpoints = Endpunkte
nav-logs = Webhook-Logs
nav-deliveries = Zustellungen
nav-events = Ereignisse
nav-replays = Wiederholungen
nav-tenants = Mandanten
go-label = Zu einer ID gehen
go-placeholder = ID öffnen …
go-unknown = Nichts hat diese ID, diesen Idempotenz-Schlüssel oder diesen Namen. IDs beginnen mit att_, dlv_, ep_, evt_ oder rpl_.
page-unknown = Diese Seite gibt es nicht.

ago-seconds = { $n ->
    [one] vor { $n } Sekunde
   *[other] vor { $n } Sekunden
}
ago-minutes = { $n ->
    [one] vor { $n } Minute
   *[other] vor { $n } Minuten
}
ago-hours = { $n ->
    [one] vor { $n } Stunde
   *[other] vor { $n } Stunden
}
ago-days = { $n ->
    [one] vor { $n } Tag
   *[other] vor { $n } Tagen
}
in-seconds = { $n ->
    [one] in { $n } Sekunde
   *[other] in { $n } Sekunden
}
in-minutes = { $n ->
    [one] in { $n } Minute
   *[other] in { $n } Minuten
}
in-hours = { $n ->
    [one] in { $n } Stunde
   *[other] in { $n } Stunden
}
in-days = { $n ->
    [one] in { $n } Tag
   *[other] in { $n } Tagen
}

sign-in = Anmelden
sign-in-help = Öffnen Sie den Link, den Sie von Ihrem Produkt erhalten haben, oder fügen Sie ihn hier ein. Ein Schlüssel mit dem Recht „read“ geht ebenso.
sign-in-admin-help = Fügen Sie einen Betreiber-Schlüssel ein. Auf dem Rechner, auf dem Tidings läuft, öffnet „tidings console“ diese Seite angemeldet.
sign-in-key = Link oder Schlüssel
sign-in-unknown = Dieser Link oder Schlüssel gilt nicht: Er ist abgelaufen, wurde gelöscht oder ist falsch geschrieben.
sign-in-link-used = Dieser Link gilt nur einmal und wurde schon benutzt. Bitten Sie um einen neuen. Wenn nicht Sie ihn benutzt haben, sagen Sie das: Die Sitzung lässt sich beenden.
sign-in-later = Die Anmeldung geht gerade nicht. Versuchen Sie es gleich noch einmal.
sign-in-no-read = Dieser Schlüssel darf nicht lesen. Verwenden Sie einen mit dem Recht „read“.
sign-in-ended = Ihre Sitzung ist beendet: Ihr Schlüssel oder Link wurde gelöscht oder ist abgelaufen.
sign-in-operator-only = Diese Seite ist für Betreiber. Melden Sie sich mit einem Betreiber-Schlüssel an.

refused = Das wurde abgelehnt
refused-not-found = Hier ist nichts
refused-forbidden = Das dürfen Sie nicht
refused-away = Das kann gerade nicht gezeigt werden
refused-home = Zurück zum Anfang

connect = Verbinden
connect-title = Verbinden Sie Ihren ersten Webhook
connect-intro = Tidings sendet einen HTTP-POST an eine URL von Ihnen, sobald etwas geschieht.
connect-url = Geben Sie die URL an, die die Ereignisse empfängt.
connect-events = Wählen Sie, welche Ereignisse sie bekommt.
connect-test = Senden Sie einen Test und sehen Sie, was Ihr Empfänger antwortet.
create-webhook = Webhook anlegen
created = Angelegt
create = Anlegen
create-off = Ausgeschaltet lassen, bis ich ihn einschalte
made = Der Webhook ist angelegt. Senden Sie ihm einen Test, um zu sehen, dass er funktioniert.
cancel = Abbrechen
status = Zustand
name = Name
name-placeholder = Produktion
url = URL
url-hint = Wohin die Anfragen gehen. URLs von Slack und Discord bekommen Nachrichten in deren eigenem Format.
dialect = Format
dialect-by-url = Wie es zur URL passt
events = Ereignisse
events-hint = Nur gewählte Ereignisse werden gesendet; ist keines gewählt, wird nichts gesendet.
all-events = Alle Ereignisse
find-events = Ereignistypen suchen
patterns = Muster, eines je Zeile, zum Beispiel feedback.*
event-trigger = Auslöser
latest-attempts = Letzte Versuche
none-yet = Noch nichts gesendet
no-events = Keine Ereignisse: Nichts wird gesendet
enabled = Eingeschaltet
on = Ein
off = Aus
turn-on = Einschalten
turn-off = Ausschalten
turn-on-name = { $name } einschalten
turn-off-name = { $name } ausschalten
secret = Geheimnis
secret-optional = Geheimnis (freiwillig)
secret-hint = Damit werden Anfragen signiert. Bleibt das Feld leer, wird eines erzeugt, wo das Format es braucht.
contact = E-Mail-Adresse
contact-hint = Bekommt eine Nachricht, wenn der Webhook endgültig fehlschlägt oder ausgeschaltet wird.
next-page = Weitere

overview = Übersicht
settings = Einstellungen
endpoint-pages = Dieser Webhook
since = seit
n-held = { $n } zurückgehalten
n-scheduled = { $n } warten auf ihren nächsten Versuch
send-test = Test senden
recover = Nachholen
delete = Löschen
all-attempts = Alle Versuche
time = Zeit
result = Ergebnis
event-type = Ereignistyp
duration = Dauer
next = Nächster
test = Test

health-new = Neu
health-works = Funktioniert
health-quiet = Still
health-failing = Schlägt fehl
health-off = Aus
health-turned-off = Ausgeschaltet
health-new-advice = Noch wurde nichts gesendet. Senden Sie einen Test, um zu sehen, dass Ihr Empfänger ihn versteht.
health-works-advice = Anfragen werden mit Erfolg beantwortet.
health-quiet-advice = Seit einer Woche wurde nichts gesendet: Kein Ereignis, das dieser Webhook abonniert, wurde veröffentlicht.
health-failing-advice = Eine Zustellung wurde aufgegeben, und seitdem gelang keine. Sehen Sie sich die letzten Versuche an, bringen Sie den Empfänger in Ordnung und holen Sie nach, was er verpasst hat.
health-off-advice = Jemand hat ihn ausgeschaltet. Was inzwischen veröffentlicht wird, wird zurückgehalten und beim Einschalten nach Ihrer Wahl gesendet oder verworfen.
health-turned-off-advice = Tidings hat ihn ausgeschaltet, weil der Empfänger verschwunden ist (410) oder tagelang alles fehlschlug. Bringen Sie den Empfänger in Ordnung und schalten Sie ihn ein.

enable-nothing-held = Für diesen Webhook wird nichts zurückgehalten.
enable-held = { $n } Zustellungen wurden zurückgehalten, während er aus war. Was soll mit ihnen geschehen?
enable-release = Senden, so schnell der Empfänger sie annimmt
enable-cancel = Verwerfen
delete-title = Diesen Webhook löschen?
delete-explained = Er bekommt keine Anfragen mehr. Sein Log bleibt. Das lässt sich nicht rückgängig machen.
delete-waiting = { $n } Zustellungen warten auf diesen Webhook. Sie werden abgebrochen.
delete-confirm = Geben Sie zur Bestätigung „{ $name }“ ein
delete-now = Löschen

saved = Gespeichert.
save = Speichern
special-subscriptions = Diese bleiben, wie sie sind; Filter haben ihre eigene Seite.
delivery = Zustellung
schedule = Wartezeiten zwischen den Versuchen
schedule-hint = Durch Leerzeichen getrennt, zum Beispiel 1m 5m 2h. Bleibt das Feld leer: { $usual }
timeout = Zeitlimit einer Anfrage
concurrency = Gleichzeitige Anfragen
rate = Anfragen je Sekunde
properties = Eigenschaften
properties-label = Bis zu { $n } Eigenschaften, die zusätzlich gesendet werden, eine je Zeile
settings-too-many-properties = Höchstens { $n } Eigenschaften können gesendet werden. Nehmen Sie einige heraus.
settings-number = Geben Sie eine ganze Zahl an oder lassen Sie das Feld leer.
settings-conflict = Jemand hat diesen Webhook geändert, während Sie ihn bearbeitet haben. Ihre Eingaben stehen noch unten; öffnen Sie die Einstellungen in einem weiteren Tab, um die Änderung zu sehen, und speichern Sie von dort.

test-explained = Sendet sofort ein Beispiel, auch wenn der Webhook aus ist. Im Log ist es als Test gekennzeichnet, und es wird nie wiederholt.
load-sample = Beispiel laden
payload = Inhalt
schema-met = Der Inhalt ist, wie es Version { $version } des Schemas verlangt.
schema-violated = Der Inhalt ist nicht, wie es Version { $version } des Schemas verlangt.
whole-payload = Der Inhalt
check-schema = Gegen das Schema prüfen
send-anyway = Trotzdem senden
try-payload = Einen Inhalt ausprobieren
test-no-json = Der Inhalt ist kein JSON.
test-succeeded = Der Empfänger hat den Test angenommen.
test-failed = Der Empfänger hat den Test nicht angenommen.
test-nothing-yet = Anfrage und Antwort erscheinen hier.
details = Einzelheiten

secret-explained = Mit diesem Geheimnis prüft Ihr Empfänger, dass Anfragen von hier kommen.
unsigned = Anfragen an diesen Webhook werden nicht signiert.
previous-secret = Das Geheimnis vor dem letzten Wechsel signiert noch bis
public-key = Öffentlicher Schlüssel:
reveal = Geheimnis zeigen
secret-hide = Verlassen Sie diese Seite, um es zu verbergen. Nur wer Webhooks verwalten darf, kann es sehen.
rotate-title = Geheimnis wechseln
rotate-explained = Das alte Geheimnis signiert noch eine Weile, damit Sie Ihren Empfänger umstellen können, ohne eine Anfrage zu verlieren.
rotate-secret = Neues Geheimnis
rotate-generated = Wird erzeugt, wenn das Feld leer bleibt
overlap = Das alte signiert noch
overlap-none = Gar nicht
rotate = Wechseln
rotated = Das Geheimnis wurde gewechselt.

recover-explained = Sendet erneut, was aufgegeben wurde, ohne die Ereignisse, die später ankamen. Erste Versuche neuer Ereignisse warten nicht dahinter.
recover-reach = Aufgegeben in den
last-hours = letzten { $n } h
count = Zählen
n-exhausted = { $n ->
    [one] { $n } Zustellung wurde aufgegeben.
   *[other] { $n } Zustellungen wurden aufgegeben.
}
at-least = Es können mehr sein.
recover-start = Erneut senden

logs-title = Webhook-Logs
logs-all-tenants = Webhook-Logs aller Mandanten
tenant = Mandant
status-code = Statuscode
outcome = Ausgang
any = Alle
from-day = Von
to-day = Bis
endpoint = Endpunkt
endpoints = Endpunkte
more-filters = Weitere Filter
failure-reason = Grund
error-contains = Fehler enthält
min-duration = Dauerte mindestens
per-page = Je Seite
search = Suchen
clear = Zurücksetzen
logs-none = Kein Versuch passt.
logs-near = Die Ereignisse, jedes mit dem, was daraus wurde
logs-look-further = Noch nichts gefunden. Die Suche hat einen Teil des Logs durchgesehen und kann weitergehen.
look-further = Weiter zurück suchen
logs-no-time = „{ $text }“ ist kein Tag.
nothing-found = Nichts gefunden.
older = Ältere
n-endpoints = { $n ->
    [one] { $n } Endpunkt
   *[other] { $n } Endpunkte
}
tail-start = Live verfolgen
tail-stop = Wird verfolgt …
tail-new = neu – zeigen
attempt = Versuch
attempts = Versuche
attempt-n = Versuch { $n }
no-answer = Keine Antwort
send-again = Erneut senden
try-now = Jetzt versuchen
a-test = Ein Test
event = Ereignis
phases = Phasen
first-byte = erstes Byte
timeline = Verlauf
planned = Geplant
views = Darstellung der Inhalte
view-laid-out = Gegliedert
view-raw = Wie gesendet
view-hex = Hexadezimal
as-curl = Als curl-Befehl
request = Anfrage
response = Antwort
request-headers = Kopfzeilen der Anfrage
response-headers = Kopfzeilen der Antwort
n-bytes = { $n } Bytes
download = Herunterladen
response-cut = die Antwort ging weiter
from-address = von { $address }
body-cut = Nur der Anfang wird gezeigt. Laden Sie alles herunter, um es zu sehen.

state = Zustand
due = Fällig
changed = Geändert
state-pending = Steht an
state-scheduled = Geplant
state-held = Zurückgehalten
state-succeeded = Zugestellt
state-exhausted = Aufgegeben
state-cancelled = Abgebrochen
outcome-succeeded = Gelungen
outcome-failed-retryable = Fehlgeschlagen, wird wiederholt
outcome-failed-final = Endgültig fehlgeschlagen
reason-status = Status
reason-timeout = Zeit abgelaufen
reason-dns = Name nicht gefunden
reason-connect = Keine Verbindung
reason-tls = TLS fehlgeschlagen
reason-blocked-address = Adresse nicht erlaubt
reason-proxy = Proxy fehlgeschlagen
reason-protocol = Kein HTTP
reason-authorization = Kein Token
reason-render = Nicht darstellbar
cause-endpoint-disabled = der Webhook ist aus
cause-endpoint-deleted = der Webhook wurde gelöscht
cause-by-request = jemand hat es verlangt
cause-filtered = ein Filter hielt es zurück
cause-erased = der Inhalt wurde gelöscht
verdict-delivered = Zugestellt
verdict-given-up = Aufgegeben
verdict-cancelled = Abgebrochen
verdict-waiting = Wartet
verdict-under-way = Unterwegs
verdict-held = Zurückgehalten
verdict-not-subscribed = Nicht abonniert
verdict-subscription-off = Abonnement ist aus
verdict-subscribed-later = Später abonniert
verdict-made-later = Später angelegt
verdict-operational = Nur Betriebsereignisse

accepted = Angenommen
occurred = Geschehen
idempotency-key = Idempotenz-Schlüssel
what-became = Was daraus wurde
no-endpoint-at-all = Es gab keinen Endpunkt, an den es gehen konnte.
erased = Der Inhalt wurde gelöscht am

replay = Wiederholung
replays-explained = Aufträge, die erneut senden, was das Log hat.
rows = Zeilen
deliveries = Zustellungen
skipped = Ausgelassen
replay-progress = { $walked } von { $matched } Zeilen durchgegangen.
replay-made = { $deliveries } Zustellungen gemacht, { $skipped } Zeilen ausgelassen.
replay-running = Läuft
replay-paused = Angehalten
replay-succeeded = Fertig
replay-cancelled = Beendet
replay-failed = Fehlgeschlagen
ended = Beendet
pause = Anhalten
resume = Fortsetzen
stop-replay = Beenden

id = ID
tenant-new = Neuer Mandant
tenant-made = { $name } ist angelegt. Das ist der Schlüssel; er wird nur jetzt gezeigt:
no-tenants = Es gibt noch keinen Mandanten.
see-what-they-see = Ansehen, was sie sehen

# Signaturen und wie Empfänger sie prüfen.
signature = Signatur
verify-signature = Signatur prüfen
signature-explained = Was an diesem Versuch signiert wurde, mit welchem Schlüssel und was dabei herauskam, im Format „{ $dialect }“.
signature-unsigned = Diese Anfrage ist nicht signiert: Ihr Format hat keine Signatur, oder der Webhook hat kein Geheimnis.
signature-endpoint-gone = Der Webhook wurde gelöscht und mit ihm sein Geheimnis: Es lässt sich nichts mehr berechnen. Inhalte können Sie unten trotzdem vergleichen.
signature-secret-unreadable = Das Geheimnis lässt sich gerade nicht öffnen: Der Betreiber muss einen fehlenden Schlüssel ergänzen. Inhalte können Sie unten trotzdem vergleichen.
signature-dialect-unknown = Das Format, in dem dies geschrieben wurde, gibt es nicht mehr. Inhalte können Sie unten trotzdem vergleichen.
signature-request-gone = Es wurde keine Anfrage gesendet, oder ihr Inhalt wird nicht mehr aufbewahrt.
signature-token-sent = zeigt das Geheimnis selbst und wurde gesendet. Ein Empfänger vergleicht es mit seinem eigenen.
signature-token-absent = würde das Geheimnis selbst zeigen und wurde nicht gesendet: Der Webhook hat keines.
signature-right = Richtig
signature-wrong = Von keinem heutigen Geheimnis
signature-step-text = Was signiert wird, Byte für Byte
signature-step-key = Der Schlüssel
signature-step-value = { $algorithm } des Textes mit dem Schlüssel, als { $encoding }
signature-step-sent = Die Kopfzeile, die gesendet wurde
signature-key-decoded = Nehmen Sie, was hinter „whsec_“ steht, und dekodieren Sie es aus Base64: Diese Bytes sind der Schlüssel.
signature-key-text = Nehmen Sie den Text des Geheimnisses, wie er ist: Seine Bytes sind der Schlüssel, wonach er auch aussieht.
signature-current = Das heutige Geheimnis
signature-previous = Das Geheimnis vor dem letzten Wechsel
signature-masked = nicht gezeigt
signature-reveal = Schlüssel zeigen
signature-revealed = Der Schlüssel ist hexadezimal geschrieben. Dass er gezeigt wurde, steht im Änderungsprotokoll.
signature-value-hidden = Einen Wert, der nicht gesendet wurde, sehen nur Personen, die Webhooks verwalten dürfen.
signature-equal = steht in der Kopfzeile
signature-unequal = steht nicht in der Kopfzeile
signature-not-sent = Es gab keine.
signature-wrong-explained = Das Geheimnis wurde nach diesem Versuch gewechselt, und das, mit dem er signiert war, gibt es nicht mehr. Künftige Versuche sind mit dem heutigen signiert.
compare-title = Mit dem vergleichen, was Ihr Empfänger sah
compare-explained = Fügen Sie ein, was Sie davon haben. Das erste abweichende Byte wird genannt und was es gewöhnlich verursacht. Nichts davon wird aufbewahrt.
compare-headers = Kopfzeilen, eine je Zeile
compare-body = Inhalt
compare-base64 = Der Inhalt ist als Base64 eingefügt. Dann zählen Zeilenenden; in einem Text ändern Browser sie.
compare-secret = Das Geheimnis, das Ihr Empfänger hat
compare-computed = Die Signatur, die Ihr Empfänger berechnet hat
compare-received-at = Wann Ihr Empfänger geprüft hat, in { $zone }
compare = Vergleichen
compare-verifies = Damit ist die Signatur richtig.
compare-fails = Damit ist die Signatur falsch.
compare-difference = Die ersten { $at } Bytes sind gleich
compare-place = Der erste Unterschied steht in Zeile { $line } des Gesendeten, Byte { $column }.
compare-byte = Byte
compare-around = Umgebung
compare-sent = Gesendet
compare-received = Empfangen
finding-body-same = Der Inhalt ist der gesendete, Byte für Byte.
finding-body-empty = Der Inhalt ist leer: Etwas hat ihn gelesen, bevor die Signatur geprüft wurde. Bewahren Sie zuerst die rohen Bytes auf.
finding-body-bom = Eine Byte-Reihenfolge-Marke (EF BB BF) steht davor. Schreiben und lesen Sie den Inhalt als Bytes, nicht als Textdatei.
finding-body-newline-added = Am Ende kam ein Zeilenende hinzu. Werkzeuge wie „echo“ und Editoren tun das.
finding-body-newline-cut = Das Zeilenende am Schluss fehlt. Kürzen Sie den Inhalt nicht, bevor Sie prüfen.
finding-body-line-ends = Zeilenenden wurden zwischen LF und CRLF geändert. Lesen Sie den Inhalt als Bytes, nicht als Text.
finding-body-blanks = Leerzeichen am Anfang oder Ende kamen hinzu oder fehlen. Kürzen Sie den Inhalt nicht, bevor Sie prüfen.
finding-body-base64 = Der Inhalt ist noch Base64, wie manche Gateways ihn übergeben (isBase64Encoded). Dekodieren Sie ihn vor der Prüfung.
finding-body-quoted = Der Inhalt wurde noch einmal als JSON-Zeichenkette geschrieben. Prüfen Sie, was ankam, bevor es in etwas anderes kommt.
finding-body-numbers = Der Inhalt wurde gelesen und neu geschrieben und dabei eine Zahl gerundet. Prüfen Sie die Bytes, die ankamen.
finding-body-order = Der Inhalt wurde gelesen und neu geschrieben, mit anderer Reihenfolge. Prüfen Sie die Bytes, die ankamen.
finding-body-slashes = Der Inhalt wurde gelesen und neu geschrieben, mit maskierten Schrägstrichen wie bei PHPs json_encode. Prüfen Sie die Bytes, die ankamen.
finding-body-escapes = Der Inhalt wurde gelesen und neu geschrieben, mit maskierten Buchstaben außerhalb von ASCII wie bei Pythons json.dumps. Prüfen Sie die Bytes, die ankamen.
finding-body-pretty = Der Inhalt wurde gelesen und über mehrere Zeilen neu geschrieben. Prüfen Sie die Bytes, die ankamen.
finding-body-spaces = Der Inhalt wurde gelesen und neu geschrieben, mit Leerzeichen nach Doppelpunkten und Kommas wie bei Pythons json.dumps. Prüfen Sie die Bytes, die ankamen.
finding-body-reprinted = Der Inhalt wurde gelesen und neu geschrieben: dasselbe JSON in anderen Bytes. Prüfen Sie die Bytes, die ankamen.
finding-body-latin = Der Inhalt wurde von UTF-8 nach ISO 8859-1 gewandelt. Lesen Sie ihn als Bytes oder als UTF-8.
finding-body-mistaken = Der Inhalt wurde als ISO 8859-1 oder Windows-1252 gelesen, obwohl er UTF-8 ist. Lesen Sie ihn als Bytes oder als UTF-8.
finding-body-lost = Buchstaben außerhalb von ASCII gingen verloren: Der Inhalt ging durch einen Zeichensatz, der sie nicht hat.
finding-body-cut = Die letzten { $n } Bytes fehlen. Lesen Sie den Inhalt bis zum Ende, und suchen Sie nach einer Größengrenze.
finding-body-longer = Es folgen { $n } Bytes, die nicht gesendet wurden: Etwas wird an den Inhalt angehängt.
finding-body-other = Der Inhalt ist ein anderer. Sehen Sie nach, ob er zu einer anderen Anfrage gehört oder unterwegs geändert wurde.
finding-headers-same = Die Kopfzeilen, die die Signatur braucht, sind die gesendeten.
finding-header-missing = Die Kopfzeile { $header } kam nicht an oder wurde nicht eingefügt. Sehen Sie nach, ob ein Proxy sie entfernt.
finding-header-blanks = Leerzeichen in der Kopfzeile { $header } wurden geändert.
finding-header-case = Die Kopfzeile { $header } wurde in der Groß- und Kleinschreibung geändert.
finding-header-cut = Die Kopfzeile { $header } wurde abgeschnitten.
finding-header-differs = Die Kopfzeile { $header } ist eine andere als die gesendete: Sie gehört zu einem anderen Versuch oder wurde geändert.
finding-header-of-another = Die Signatur gehört zu Versuch { $n } ({ $attempt }).
finding-secret-current = Das Geheimnis ist das des Webhooks.
finding-secret-previous = Das Geheimnis ist das vor dem letzten Wechsel. Übernehmen Sie das neue, bevor das alte endet.
finding-secret-blanks = Um das Geheimnis stehen Leerzeichen oder ein Zeilenende. Entfernen Sie sie.
finding-secret-quotes = Das Geheimnis steht in Anführungszeichen. Entfernen Sie sie.
finding-secret-bare = Das Geheimnis ist das des Webhooks ohne „whsec_“: richtig, wenn der Empfänger es selbst aus Base64 dekodiert.
finding-secret-cut = „whsec_“ gehört hier zum Geheimnis und fehlt: Der ganze Text ist der Schlüssel.
finding-secret-prefixed = Vor dem Geheimnis steht „whsec_“ zu viel. Entfernen Sie es.
finding-secret-case = Das Geheimnis weicht nur in der Groß- und Kleinschreibung ab. Kopieren Sie es noch einmal.
finding-secret-encoded = Das Geheimnis wurde einmal zu oft kodiert oder dekodiert. Geben Sie es dem Empfänger so, wie es hier gezeigt wird.
finding-secret-short = Das Ende des Geheimnisses fehlt. Kopieren Sie es noch einmal.
finding-secret-other = Das Geheimnis ist nicht das des Webhooks: Es ist älter als der letzte Wechsel oder das eines anderen Webhooks.
finding-computed-right = Was der Empfänger berechnet hat, ist richtig. Vergleichen Sie es mit dem, was hinter dem Präfix der Kopfzeile steht.
finding-computed-unreadable = Was der Empfänger berechnet hat, ist weder hexadezimal noch Base64.
finding-computed-hash = Was der Empfänger berechnet hat, hat { $n } Bytes, HMAC-SHA-256 hat 32: Ein anderer Hash wurde genommen, oder es wurde zweimal geschrieben.
finding-computed-other = Was der Empfänger berechnet hat, kommt weder aus diesen Bytes noch von diesen Schlüsseln. Sehen Sie sich Inhalt und Geheimnis an.
finding-computed-encoding = Der Wert ist richtig, als { $written } geschrieben; in der Kopfzeile steht er als { $expected }.
finding-computed-key-text = Der Empfänger nahm den Text des Geheimnisses als Schlüssel. Der Schlüssel ist, was das Base64 hinter „whsec_“ sagt.
finding-computed-key-bare = Der Empfänger nahm den Text hinter „whsec_“ als Schlüssel, ohne ihn zu dekodieren oder obwohl das Präfix dazugehört.
finding-computed-key-decoded = Der Empfänger hat das Geheimnis aus Base64 dekodiert. Hier ist der ganze Text, wie er gezeigt wird, der Schlüssel.
finding-computed-key-previous = Der Empfänger hat das Geheimnis vor dem letzten Wechsel. Übernehmen Sie das neue.
finding-computed-key-given = Der Empfänger rechnet mit dem eingefügten Geheimnis, das nicht das des Webhooks ist.
finding-computed-text-body = Der Empfänger hat nur den Inhalt signiert. Signiert wird mehr, wie oben gezeigt.
finding-computed-text-received = Der Empfänger rechnet richtig über den Inhalt, den er hat; es ist nicht der gesendete.
finding-clock-late = Geprüft wurde { $n } s nach dem Signieren, Empfänger dulden höchstens 300 s. Stellen Sie die Uhr, oder prüfen Sie, sobald die Anfrage kommt.
finding-clock-early = Nach der Uhr des Empfängers wurde { $n } s vor dem Signieren geprüft. Stellen Sie die Uhr.
finding-clock-right = Die Zeit liegt in dem, was Empfänger dulden.
verify = Prüfen
verify-title = Prüfen, dass Anfragen von hier kommen
verify-explained = Der Empfänger berechnet die Signatur in { $header } erneut aus den Bytes, wie sie ankamen. Prüfen Sie, bevor der Inhalt gelesen wird.
verify-token = Anfragen zeigen das Geheimnis in { $header }. Der Empfänger vergleicht es mit seinem eigenen.
verify-nothing = Anfragen in diesem Format beweisen nichts: Sie haben weder Signatur noch Geheimnis. Wer die URL kennt, kann an sie senden.
verify-unknown = Was in diesem Format signiert wird, steht nicht vollständig in der Anfrage: Ein Empfänger kann es nicht allein mit ihr prüfen.
verify-sample = Ein signiertes Beispiel
verify-sample-explained = Dieser Befehl sendet ein Beispiel, für jetzt signiert, von Ihrem Rechner. Setzen Sie die Adresse Ihres Empfängers ein.
verify-fails = Wenn eine Signatur nicht passt, öffnen Sie den Versuch und wählen „Signatur prüfen“:
show-request = Anfrage zeigen
preview-title = Die Anfrage, wie sie ginge
preview-explained = Es wurde nichts gesendet. Was geheim ist, ist verdeckt; Zeiten und Signatur sind von diesem Augenblick.

# Zwei Versuche nebeneinander.
difference = Unterschied
difference-title = Versuch { $one } und Versuch { $other }
difference-with = Mit
difference-to = Unterschied zu Versuch { $n }
difference-alone = Es gibt keinen anderen Versuch dieser Zustellung, mit dem er sich vergleichen ließe.
difference-headers = Kopfzeilen, die abweichen
difference-headers-same = Die Kopfzeilen sind gleich.
difference-body-same = Der Inhalt ist gleich, Byte für Byte.
difference-bytes-only = Die Inhalte sagen dasselbe JSON in anderen Bytes.
error = Fehler
phase-dns = Namenssuche
phase-connect = Verbinden
phase-tls = TLS
remote-address = Adresse
as-markdown = Als Markdown
as-markdown-hint = Für eine Anfrage beim Support. Was geheim sein kann, ist ausgelassen, Zeiten sind in UTC. Lesen Sie es durch, bevor Sie es weitergeben: Inhalte sind, wie sie gesendet wurden.

# Filter, ausprobiert, bevor sie gespeichert werden.
filters = Filter
filters-title = Welche der abonnierten Ereignisse er bekommt
filters-explained = Ein Filter ist eine Bedingung an das Ereignis, zum Beispiel payload.rating <= 2 oder "vip" in payload.tags. Ohne Filter wird jedes Ereignis des Musters gesendet.
filters-pattern = Ereignisse
filters-filter = Filter
filters-hint = Leeren Sie das Muster einer Zeile, um die Zeile zu entfernen.
filters-try = An den letzten 20 Ereignissen ausprobieren
filters-passed = { $passed } der letzten { $all } Ereignisse wären gesendet worden
filters-no-events = Es gibt noch kein Ereignis, an dem sich das ausprobieren ließe.
filters-passes = Gesendet
filters-stays = Nicht gesendet
filters-why = Warum
filters-off = aus
filters-other-type = anderer Typ
filters-kept-back = der Filter hält es zurück
filters-edit = Filter ändern und ausprobieren

# Ereignistypen, Schlüssel, Änderungen und Einstellungen eines Mandanten.
nav-event-types = Ereignistypen
nav-keys = Schlüssel
nav-audit = Änderungsprotokoll
event-types-explained = Was geschehen kann, aus dem Katalog und den Beispielen der Formate. Ereignisse anderer Typen können ebenso veröffentlicht werden.
description = Beschreibung
version = Version
version-n = Version { $n }
versions = Versionen
samples-in = Beispiele in
subscribers = Wer abonniert
subscribers-none = Kein Webhook abonniert ihn: Ereignisse dieses Typs werden an niemanden gesendet.
fields = Felder
field = Feld
kind = Art
required = Pflicht
schema = Schema
schema-none = Der Katalog hat kein Schema dafür: Jeder Inhalt ist recht.
sample = Beispiel
audit-explained = Wer was geändert hat, und wer ein Geheimnis angesehen hat. Geheimnisse stehen nicht darin.
action = Aktion
target = Woran
key = Schlüssel
actor = Wer
changes = Änderungen
show-changes = Zeigen
actor-tenant = Schlüssel des Mandanten
actor-operator = Betreiber
actor-internal = Eine andere Rolle
actor-bootstrap = Wer die Datenbank hat
actor-system = Tidings
scopes = Darf
last-used = Zuletzt benutzt
expires = Läuft ab
expired = abgelaufen
never = Nie
actions = Aktionen
change = Ändern
portal-link = Portal-Link
keys-made = Das ist der Schlüssel. Er wird nur jetzt gezeigt:
keys-link-made = Das ist der Link. Er wird nur jetzt gezeigt:
keys-new = Neuer Schlüssel
keys-make = Schlüssel anlegen
keys-no-scope = Wählen Sie, was der Schlüssel darf.
keys-scopes-hint = „publish“ sendet Ereignisse, „read“ sieht alles an, „manage“ ändert Webhooks, Schlüssel und Einstellungen.
keys-days = Gilt so viele Tage; bleibt das Feld leer, auf Dauer
keys-rotate = Wechseln
keys-overlap = Der alte gilt noch
keys-revoke = Jetzt beenden
keys-new-link = Neuer Portal-Link
keys-link-explained = Führt Personen eine Zeit lang ohne Schlüssel auf diese Seiten.
keys-link-length = Gilt
keys-link-read-only = Sie können nur ansehen
keys-link-once = Er gilt nur einmal: Nur der erste Browser kommt hinein
keys-link-unused = gilt einmal, noch nicht benutzt
keys-link-used-at = gilt einmal, benutzt { $at }
keys-link-page = Öffnet die Seite; bleibt das Feld leer, die erste
keys-link-language = Sprache
keys-link-language-preferred = Wie es der Browser bevorzugt
keys-link-accent = Farbe von Links und Schaltflächen, wie #2456c7; bleibt das Feld leer, wie eingestellt
keys-link-look-hint = Wer eine Sprache gewählt hat, behält sie. Die Farbe wird heller oder dunkler, bis sie lesbar ist.
keys-make-link = Link anlegen
validation = Ereignisse, deren Inhalt nicht zum Schema ihres Typs passt,
validation-off = werden nicht geprüft
validation-warn = werden angenommen, mit einer Warnung in der Antwort
validation-reject = werden abgelehnt
retention = Wie lange etwas aufbewahrt wird
retention-payloads = Inhalte, in Tagen
retention-attempts = Versuche, in Tagen
retention-hint = Bleibt das Feld leer, so lange, wie der Betreiber sie aufbewahrt.

# Warum eine Suche nichts fand.
absent-events = { $n ->
    [one] Ein Ereignis passt zu Typ und Zeit:
   *[other] { $n } Ereignisse passen zu Typ und Zeit:
}
absent-no-endpoint = { $n ->
    [one] Eines kam, als es gar keinen Webhook gab.
   *[other] { $n } kamen, als es gar keinen Webhook gab.
}
absent-nobody-subscribed = { $n ->
    [one] Für eines gab es keinen Webhook, der es abonniert.
   *[other] Für { $n } gab es keinen Webhook, der sie abonniert.
}
absent-held-off = { $n ->
    [one] Eines wird zurückgehalten, weil „{ $endpoint }“ aus ist.
   *[other] { $n } werden zurückgehalten, weil „{ $endpoint }“ aus ist.
}
absent-held = { $n ->
    [one] Eines wird zurückgehalten, bis „{ $endpoint }“ mehr annehmen kann.
   *[other] { $n } werden zurückgehalten, bis „{ $endpoint }“ mehr annehmen kann.
}
absent-under-way = { $n ->
    [one] Eines ist unterwegs zu „{ $endpoint }“.
   *[other] { $n } sind unterwegs zu „{ $endpoint }“.
}
absent-waiting = { $n ->
    [one] Eines wartet auf seinen nächsten Versuch bei „{ $endpoint }“.
   *[other] { $n } warten auf ihren nächsten Versuch bei „{ $endpoint }“.
}
absent-delivered = { $n ->
    [one] Eines wurde an „{ $endpoint }“ zugestellt; seine Versuche passen nicht zu den übrigen Filtern.
   *[other] { $n } wurden an „{ $endpoint }“ zugestellt; ihre Versuche passen nicht zu den übrigen Filtern.
}
absent-given-up = { $n ->
    [one] Eines wurde für „{ $endpoint }“ aufgegeben; seine Versuche passen nicht zu den übrigen Filtern.
   *[other] { $n } wurden für „{ $endpoint }“ aufgegeben; ihre Versuche passen nicht zu den übrigen Filtern.
}
absent-cancelled = { $n ->
    [one] Eines wurde nicht an „{ $endpoint }“ gesendet: Es wurde abgebrochen.
   *[other] { $n } wurden nicht an „{ $endpoint }“ gesendet: Sie wurden abgebrochen.
}
absent-filtered = { $n ->
    [one] Ein Filter von „{ $endpoint }“ hielt eines zurück.
   *[other] Ein Filter von „{ $endpoint }“ hielt { $n } zurück.
}
absent-not-subscribed = { $n ->
    [one] „{ $endpoint }“ abonniert eines davon nicht.
   *[other] „{ $endpoint }“ abonniert { $n } davon nicht.
}
absent-subscription-off = { $n ->
    [one] Für eines war das Abonnement von „{ $endpoint }“ aus.
   *[other] Für { $n } war das Abonnement von „{ $endpoint }“ aus.
}
absent-subscribed-later = { $n ->
    [one] „{ $endpoint }“ hat erst abonniert, als eines davon schon da war.
   *[other] „{ $endpoint }“ hat erst abonniert, als { $n } davon schon da waren.
}
absent-made-later = { $n ->
    [one] „{ $endpoint }“ wurde erst angelegt, als eines davon schon da war.
   *[other] „{ $endpoint }“ wurde erst angelegt, als { $n } davon schon da waren.
}
absent-operational = { $n ->
    [one] „{ $endpoint }“ bekommt nur Nachrichten über Webhooks, nicht dieses Ereignis.
   *[other] „{ $endpoint }“ bekommt nur Nachrichten über Webhooks, nicht diese { $n } Ereignisse.
}
absent-subscribe = Ändern, was er abonniert
absent-choose = Einen Webhook wählen
absent-newest = In dieser Zeit kam kein solches Ereignis. Das neueste kam früher oder später:
absent-no-event = Ein solches Ereignis wurde nie veröffentlicht. Sehen Sie nach, ob der Typ so geschrieben ist, wie er veröffentlicht wird.
absent-show = Zeigen
without-status-code = Es gibt Versuche mit einem anderen Statuscode.
without-outcome = Es gibt Versuche mit einem anderen Ausgang.
without-failure-reason = Es gibt Versuche, die aus einem anderen Grund fehlschlugen oder gelangen.
without-error = Es gibt Versuche ohne diesen Text in ihrem Fehler.
without-min-duration = Es gibt Versuche, die schneller waren.
without-endpoint-id = Es gibt Versuche für andere Webhooks.
without-event-type = Es gibt Versuche anderer Ereignistypen.
without-since = Es gibt Versuche zu anderen Zeiten.

# Dasselbe auf der Kommandozeile.
same-as = Dasselbe auf der Kommandozeile
same-explained = $API ist die Adresse dieses Dienstes mit /api/v2 dahinter, $TIDINGS_KEY ist Ihr Schlüssel.
# Die Seiten der Betreiber.

nav-overview = Übersicht
nav-queues = Warteschlangen
nav-dialects = Formate
nav-admin-audit = Änderungsprotokoll
nav-system = System

nothing-needs-you = Nichts braucht Sie.
nothing-needs-you-checked = Komponenten, Warteschlangen, überfällige Zustellungen, Wiederholungen und Endpunkte wurden eben geprüft.
overview-limit = Soweit der antwortende Prozess es weiß.
needs-you = Braucht Sie
do-look = Ansehen
do-list = Auflisten
do-requeue = Wieder einreihen oder verwerfen
do-explain = Erklären
do-stop = Anhalten oder beenden
finding-component-missing = „{ $component }“ fehlt in diesem Prozess seit { $since }: { $reason }
finding-peer-not-ready = Auf den Prozess { $role } unter { $server } ist kein Verlass: { $reason }
finding-queue-unknown = Die Warteschlange lässt sich nicht ansehen: { $reason }
finding-database-unknown = Die Datenbank lässt sich nicht befragen: { $reason }
finding-canary-missing = Aus der kürzesten Verzögerungsschlange kommen keine Nachrichten zurück: Der Broker gibt nichts weiter, was lange genug gewartet hat. Starten Sie seine Knoten nacheinander neu; bis dahin stellt der Sweeper zu.
finding-queue-stuck = { $count ->
    [one] { $count } Nachricht steckt in { $queue } fest.
   *[other] { $count } Nachrichten stecken in { $queue } fest.
}
finding-messages-parked = { $count ->
    [one] { $count } Nachricht wurde in { $queue } beiseitegelegt und wartet darauf, dass jemand sie ansieht.
   *[other] { $count } Nachrichten wurden in { $queue } beiseitegelegt und warten darauf, dass jemand sie ansieht.
}
finding-lane-unattended = { $count ->
    [one] { $count } Nachricht wartet in { $queue }, und niemand nimmt sie: Es läuft kein Dispatcher.
   *[other] { $count } Nachrichten warten in { $queue }, und niemand nimmt sie: Es läuft kein Dispatcher.
}
finding-delivery-overdue = { $delivery_id } hätte um { $since } erneut eingereiht werden sollen und wurde es nicht.
finding-replay-stands = Die Wiederholung { $replay_id } kommt seit { $since } nicht voran.
finding-endpoints-failing = { $at_least ->
    [true] Mindestens { $count } Endpunkte schlagen fehl: Eine Zustellung wurde aufgegeben, und seither gelang keine.
   *[false] { $count ->
        [one] { $count } Endpunkt schlägt fehl: Eine Zustellung wurde aufgegeben, und seither gelang keine.
       *[other] { $count } Endpunkte schlagen fehl: Eine Zustellung wurde aufgegeben, und seither gelang keine.
    }
}
finding-endpoints-turned-off = { $at_least ->
    [true] Mindestens { $count } Endpunkte hat Tidings abgeschaltet. Was für sie veröffentlicht wird, wird zurückgehalten.
   *[false] { $count ->
        [one] { $count } Endpunkt wurde von Tidings abgeschaltet. Was für ihn veröffentlicht wird, wird zurückgehalten.
       *[other] { $count } Endpunkte wurden von Tidings abgeschaltet. Was für sie veröffentlicht wird, wird zurückgehalten.
    }
}

endpoints-all-tenants = Endpunkte aller Mandanten
host = Host
standing-on = Ein
standing-failing = Schlägt fehl
standing-off = Aus
standing-turned-off = Von Tidings abgeschaltet

queues-explained = Erste Versuche warten in den Spuren „live“ und „bulk“, spätere in „retry“. Eine Verzögerungsschlange gibt ihre Nachrichten an eine Spur weiter, wenn ihre Zeit gekommen ist.
queue = Warteschlange
queue-kind = Wofür
messages-waiting = Wartend
consumers = Abnehmer
queue-stuck = Festsitzend
queues-empty-too = Auch { $n } leere Warteschlangen zeigen
queue-kind-live = Erste Versuche
queue-kind-bulk = Erste Versuche über den Anteil eines Mandanten hinaus
queue-kind-retry = Spätere Versuche
queue-kind-delay = Verzögerung
queue-kind-parked = Beiseitegelegt
queue-kind-unrouted = Ohne Spur
queue-kind-records = Einträge für das Log
queue-kind-other = Anderes
parked-explained = Diese Nachrichten konnte niemand lesen oder abschließen. Lesen Sie den Grund, beheben Sie die Ursache und reihen Sie sie dann wieder ein.
unrouted-explained = Diese Nachrichten hatten keine Spur, als ihre Wartezeit vorbei war, weil eine Bindung oder eine Warteschlange gelöscht wurde. Der Sweeper hat ihre Zustellungen erneut eingereiht, deshalb können sie verworfen werden; was wieder eingereiht wird, wird nicht doppelt zugestellt.
message = Nachricht
message-kind-delivery = Zustellung
message-kind-record = Eintrag
message-body = Inhalt
set-aside = Beiseitegelegt
size = Größe
nothing-aside = Nichts wurde beiseitegelegt.
messages-first = Die ersten { $n } von { $count }.
n-messages = { $n ->
    [one] { $n } Nachricht
   *[other] { $n } Nachrichten
}
requeue = Wieder einreihen
requeue-n = Alle { $n } wieder einreihen …
requeue-title = Wieder einreihen?
requeue-explained = Nachrichten werden dort eingereiht, woher sie kamen: Zustellungen in ihrer Spur, Einträge in der Warteschlange der Einträge. Was nicht lesbar ist, bleibt.
discard = Verwerfen
discard-n = Alle { $n } verwerfen …
discard-title = Endgültig verwerfen?
discard-explained = Was bisher über Zustellungen bekannt ist, bleibt, und offene werden erneut eingereiht. Ein verworfener Eintrag ist verloren.
settle-grown = Seit Sie nachgesehen haben, sind weitere Nachrichten gekommen. Es wurde nichts getan; so viele sind es jetzt.
settled = { $done } erledigt, { $refused } bleiben.
settled-refusal = Was bleibt, ist nicht lesbar: { $refusal }

admin-event-types-explained = Was abonniert werden kann: der Katalog und das, wovon Formate Beispiele haben. Mit einem Schema werden Inhalte beim Veröffentlichen geprüft.
only-dialects = Nur Formate kennen ihn; im Katalog steht er nicht.
event-type-new = Neuer Ereignistyp
version-new = Neue Version
version-added = Die Version wurde hinzugefügt. Sie gilt ab jetzt.
no-schema = Jeder Inhalt ist recht.
schema-optional = JSON-Schema der Inhalte (freiwillig)
schema-hint = Wird geprüft, bevor es hinzugefügt wird. Bleibt es leer, ist jeder Inhalt recht.
schema-no-json = Das Schema ist kein JSON: { $error }
add-version = Version hinzufügen

dialects-explained = Wie Anfragen aussehen. Jedes ist eine Datei.
signs = Signiert
yes = Ja
no = Nein
chosen-for = Gewählt für
preview = Vorschau
preview-unsent = nichts wurde gesendet

operators-keys = Schlüssel der Betreiber
keys-explained = Sie gelten für alle Mandanten. Schlüssel von Mandanten finden Sie bei ihrem Mandanten.
key-new = Neuer Schlüssel
key-made = { $name } ist angelegt. Das ist das Token; es wird nur jetzt gezeigt:
key-gone = Diesen Schlüssel gibt es nicht.
key-lasts = Gilt
n-days = { $n ->
    [one] { $n } Tag
   *[other] { $n } Tage
}
for-ever = Unbegrenzt
key-scopes = Rechte
scope-publish = Ereignisse veröffentlichen
scope-read = alles ansehen
scope-manage = Dinge ändern
ends = Endet
not-ever = Nie
unnamed = Ohne Namen
what-it-did = Was damit geschah
revoke = Widerrufen
revoke-title = Diesen Schlüssel widerrufen?
revoke-explained = Er gilt binnen einer Sekunde nicht mehr, samt allen Sitzungen, die mit ihm begonnen wurden. Das lässt sich nicht rückgängig machen.

admin-audit-explained = Hier steht alles, was Menschen verwalten: wer was wann und von wo aus geändert hat. Zeiten werden in UTC festgehalten.
who = Wer
what-changed = Änderung
n-parts = { $n ->
    [one] { $n } Teil
   *[other] { $n } Teile
}
who-tenant = Mandant
who-operator = Betreiber
who-internal = Eine andere Rolle
who-bootstrap = Wer die Datenbank hat
who-system = Tidings

ready = Bereit
not-ready = Nicht bereit
up = Da
missing = Fehlt
needed = nötig
data-in = Daten in { $name }
messages-in = Nachrichten in { $name }
engine-sqlite = SQLite
engine-postgresql = PostgreSQL
engine-rabbitmq = RabbitMQ
kept-for = Ereignisse bleiben { $time }
kept-for-ever = Ereignisse bleiben für immer
system-limit = Diese Seite handelt von dem Prozess, der antwortet. Von anderen ist bekannt, ob sie nach eigener Auskunft arbeiten können.
components = Komponenten und Hintergrundaufgaben
since-when = Seit
peers = Andere Prozesse
no-peers = Alle Rollen laufen in diesem Prozess.
role = Rolle
server = Server
seal-keys = Schlüssel, die Geheimnisse versiegeln
seal-keys-explained = Was mit einem Schlüssel versiegelt ist, der hier fehlt, lässt sich nicht öffnen: Die Zustellungen dazu werden zurückgehalten.
in-configuration = In diesem Prozess
seals = versiegelt und öffnet
opens = öffnet
sealed-secrets = Geheimnisse
sealed-answers = Für einen Tag aufgehobene Antworten
configuration = Geltende Konfiguration
configuration-explained = Datei, dann Umgebung, dann Schalter; Geheimnisse sind verdeckt.
report = Für einen Bericht
report-copy = Versionen und Komponenten als Text zum Kopieren

# Was Erklärungen sagen, nach den Codes der API.

fact-no-attempt-yet = Es gab noch keinen Versuch.
fact-attempt-delivered = Versuch { $number }{ $all ->
    [none] {""}
   *[other] {" "}von { $all }
} um { $at } wurde{ $took ->
    [none] {""}
   *[other] {" "}nach { $took } ms
} mit { $status } beantwortet: zugestellt.
fact-attempt-failed = Versuch { $number }{ $all ->
    [none] {""}
   *[other] {" "}von { $all }
} um { $at } schlug{ $took ->
    [none] {""}
   *[other] {" "}nach { $took } ms
} fehl: { $status ->
    [none] { $reason }
   *[other] { $status }
}.{ $error ->
    [none] {""}
   *[other] {" "}{ $error }
}
fact-was-a-test = Es war ein Test, der nur einmal versucht wird.
fact-given-up-unwritten = Der Inhalt lässt sich im Format des Webhooks nicht schreiben, woran kein weiterer Versuch etwas ändert: aufgegeben.
fact-given-up-final = { $status } gilt für diesen Webhook als endgültig: aufgegeben.
fact-given-up-schedule = Alle { $attempts } vorgesehenen Versuche schlugen fehl: aufgegeben.
fact-cancelled-endpoint-deleted = Abgebrochen um { $at }: Der Webhook wurde gelöscht.
fact-cancelled-endpoint-unusable = Abgebrochen um { $at }: Der Webhook ist nicht benutzbar, weil sein Format fehlt oder sein Geheimnis nicht lesbar ist.
fact-cancelled-by-request = Abgebrochen um { $at }: Beim Wiedereinschalten des Webhooks wurde darum gebeten.
fact-cancelled-erased = Abgebrochen um { $at }: Der Inhalt des Ereignisses wurde gelöscht.
fact-cancelled-expired = Abgebrochen um { $at }: Das Ereignis wurde älter, als Ereignisse aufgehoben werden.
fact-cancelled-otherwise = Abgebrochen um { $at }: { $reason }
fact-filtered = Nicht gesendet: Der Ereignistyp ist abonniert, aber der Filter trifft nicht zu.
fact-filter-undecided = Nicht gesendet: Die Filter des Webhooks brauchen für diesen Inhalt zu lange und wurden angehalten, bevor sie sagten, ob er gewünscht ist. Vereinfachen Sie sie und senden Sie das Ereignis erneut, falls ja.
fact-nothing-more = Es wird nichts mehr gesendet.
fact-nothing-more-unless-asked = Es wird nichts mehr gesendet, es sei denn, jemand { $enabled ->
    [true] sendet es erneut
   *[false] schaltet den Webhook ein und sendet es erneut
}.
fact-endpoint-deleted = Der Webhook wurde gelöscht: Es wird nichts mehr gesendet, und die Zustellung wird abgebrochen, sobald sie an der Reihe ist.
fact-endpoint-off = Der Webhook ist aus, { $why ->
    [gone] weil er mit 410 Gone antwortete
    [failing] weil er tagelang fehlschlug
   *[people] weil ihn jemand ausgeschaltet hat
}: Bis er eingeschaltet wird, wird nichts gesendet.
fact-attempt-due = Versuch { $number } ist um { $at } fällig{ $asked ->
    [true] , wie es der Empfänger verlangt hat (Retry-After)
   *[false] {""}
}.
fact-attempt-due-now = Versuch { $number } ist jetzt fällig.{ $again ->
    [none] {""}
   *[other] {" "}Ist bis { $again } nichts davon bekannt, wird er erneut eingereiht.
}
fact-circuit-open-until-then = Der Schutzschalter ist nach { $failures } Fehlschlägen in Folge offen: Gelingt bis dahin keine Probe, wird die Zustellung aufgeschoben und zurückgehalten.
fact-kept-by-ledger = Sie ist nicht in der Warteschlange, sondern im Verzeichnis aufgehoben und wird eingereiht, sobald sie fällig ist und die Warteschlange sie nimmt.
fact-held-endpoint-off = Zurückgehalten: Der Webhook ist aus, { $why ->
    [gone] weil er mit 410 Gone antwortete
    [failing] weil er tagelang fehlschlug
   *[people] weil ihn jemand ausgeschaltet hat
}.
fact-held-endpoint-was-off = Zurückgehalten, während der Webhook aus war.
fact-held-circuit-open = Zurückgehalten: Der Schutzschalter ist offen, weil der Webhook{ $since ->
    [none] {""}
   *[other] {" "}seit { $since }
} fehlschlägt.
fact-held-secret-unreadable = Zurückgehalten: Das Geheimnis des Webhooks oder seine Zugangsdaten lassen sich nicht öffnen.
fact-held-dialect-unknown = Zurückgehalten: Einem Dispatcher fehlt das Format des Webhooks{ $dialect ->
    [none] {""}
   *[other] , { $dialect }
}.
fact-held-subscriptions-unreadable = Zurückgehalten: Die Abonnements des Webhooks sind so, wie sie gespeichert sind, nicht lesbar; niemand weiß, ob er das Ereignis will.
fact-held-unknown = Zurückgehalten: Eine neuere Version von Tidings hat das getan, aus einem Grund, den diese nicht kennt.
fact-held-rate-limited = Zurückgehalten: Es gibt mehr Zustellungen, als die Ratenbegrenzung des Webhooks durchlässt.
fact-held-busy = Zurückgehalten: Der Webhook hat so viele laufende Anfragen, wie er annimmt, und andere warten vor dieser.
fact-held-parts-unreadable = Zurückgehalten: Das ist am Webhook so, wie er gespeichert ist, nicht lesbar: { $parts }.
fact-held-no-request = Zurückgehalten: Im Format { $dialect } lässt sich mit Einstellungen und Geheimnis des Webhooks aus keinem Ereignis eine Anfrage machen.
fact-held-unusable = Zurückgehalten: Für den Webhook, wie er eingerichtet war, ließ sich keine Anfrage machen.
fact-sent-now = Die Zustellung wird im Takt des Webhooks gesendet, da er nun an ist.
fact-sent-after-probe = Sie wird im Takt des Webhooks gesendet, sobald eine Probe gelingt.
fact-sent-with-secret = Sie wird im Takt des Webhooks gesendet, sobald der fehlende Schlüssel wieder da ist oder der Webhook ein neues Geheimnis hat.
fact-sent-with-dialect = Sie wird im Takt des Webhooks gesendet, sobald jeder Dispatcher die Datei des Formats hat oder der Webhook ein anderes Format.
fact-sent-with-subscriptions = Sie wird im Takt des Webhooks gesendet, sobald sie neu angegeben sind, falls das Ereignis dazugehört.
fact-sent-when-passed = Sie wird im Takt des Webhooks gesendet, sobald dieser Grund vorbei ist.
fact-sent-as-rate-allows = Sie wird gesendet, wie es die Ratenbegrenzung zulässt.
fact-sent-after-others = Sie wird im Takt des Webhooks nach denen vor ihr gesendet.
fact-sent-with-parts = Sie wird im Takt des Webhooks gesendet, sobald das in den Einstellungen neu angegeben ist.
fact-sent-when-fit = Sie wird im Takt des Webhooks gesendet, sobald beides passt; ein Test zeigt, was nicht stimmt.
fact-sent-when-repaired = Sie wird im Takt des Webhooks gesendet, sobald das behoben ist.
fact-waits-in-lane = Sie wartet in ihrer Spur.
fact-waits-or-under-way = Sie wartet in ihrer Spur, oder ihr Versuch läuft gerade.
fact-attempt-soon = Versuch { $number } folgt, sobald ein Dispatcher ihn nimmt.{ $again ->
    [none] {""}
   *[other] {" "}Ist bis { $again } nichts davon bekannt, wird er erneut eingereiht.
}
fact-deferred-circuit-open = Aufgeschoben: Der Schutzschalter ist nach { $failures } Fehlschlägen in Folge offen.
fact-deferred-busy = Aufgeschoben: Der Webhook hat { $requests } laufende Anfragen, so viele, wie er gerade auf einmal annimmt.
fact-tried-again-soon = In einigen Sekunden wird es wieder versucht und, wenn der Schutzschalter offen bleibt, zurückgehalten.
fact-previous-secret-signs = Bis { $until } signiert allein das Geheimnis von vor dem letzten Wechsel, weil das Format { $dialect } Platz für eine Signatur hat; danach das neue.
fact-both-secrets-sign = Bis { $until } signieren das Geheimnis von vor dem letzten Wechsel und das neue.
fact-operational-only = Passte nicht: Dieser Webhook erhält nur Betriebsereignisse.
fact-made-later = Der Webhook wurde um { $at } angelegt, nach der Annahme des Ereignisses.
fact-did-not-match = Passte nicht.
fact-subscribed-later = Der Webhook abonniert { $type } inzwischen, aber noch nicht, als das Ereignis angenommen wurde; zuletzt geändert um { $at }.
fact-subscription-off = Passte nicht: Das Abonnement von { $pattern } ist ausgeschaltet.
fact-subscribes-to-nothing = Passte nicht: Der Webhook abonniert nichts.
fact-subscribes-to-others = Passte nicht: Der Webhook abonniert nur { $patterns }.
fact-event-accepted = { $type } wurde um { $at } angenommen.
fact-no-endpoints = Es gibt keine Webhooks, also ging es nirgendwohin.
fact-nobody-wanted-it = Kein Webhook wollte es, also ging es nirgendwohin.
fact-event-deliveries = { $count ->
    [one] Es hat { $count } Zustellung
   *[other] Es hat { $count } Zustellungen
}{ $delivered ->
    [0] {""}
   *[other] {" · "}{ $delivered } zugestellt
}{ $waiting ->
    [0] {""}
   *[other] {" · "}{ $waiting } wartet auf den nächsten Versuch
}{ $under_way ->
    [0] {""}
   *[other] {" · "}{ $under_way } läuft
}{ $held ->
    [0] {""}
   *[other] {" · "}{ $held } zurückgehalten
}{ $given_up ->
    [0] {""}
   *[other] {" · "}{ $given_up } aufgegeben
}{ $cancelled ->
    [0] {""}
   *[other] {" · "}{ $cancelled } abgebrochen
}
fact-event-erased = Sein Inhalt wurde um { $at } gelöscht.

health-struggling = Letzter Versuch schlug fehl
health-struggling-advice = Die letzte Anfrage schlug fehl und wird nach Zeitplan erneut versucht. Sehen Sie bei den letzten Versuchen nach, was der Empfänger geantwortet hat.

chart-title = Versuche im Lauf der Zeit
chart-table = Dasselbe als Tabelle
chart-counted-since = Es sind zu viele Versuche, um alle zu zählen: Die vor { $time } fehlen.
range-day = 24 Stunden
range-week = 7 Tage
range-month = 30 Tage
chart-none = Kein Versuch in dieser Zeit.
