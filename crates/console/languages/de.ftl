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
nav-audit = Änderungen
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
actor-tenant = Sie, mit dem Schlüssel
actor-operator = Ein Betreiber, mit dem Schlüssel
actor-internal = Ein anderer Teil von Tidings
actor-bootstrap = Wer die Datenbank hat
actor-system = Tidings von sich aus
scopes = Darf
last-used = Zuletzt benutzt
expires = Läuft ab
expired = abgelaufen
never = nie
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
