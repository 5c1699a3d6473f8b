# The console's words in English.

webhooks = Webhooks
skip = Skip to the content
navigation = Main
times-in = Times in
back-to-product = Back to the product
sign-out = Sign out
read-only = You can look at everything here and change nothing: this link or key is read-only.

nav-endpoints = Endpoints
nav-logs = Webhook logs
nav-deliveries = Deliveries
nav-events = Events
nav-replays = Replays
nav-tenants = Tenants
go-label = Go to an id
go-placeholder = Go to an id …
go-unknown = Nothing has this id, idempotency key or name. Ids begin with att_, dlv_, ep_, evt_ or rpl_.
page-unknown = There is no such page.

ago-seconds = { $n ->
    [one] { $n } second ago
   *[other] { $n } seconds ago
}
ago-minutes = { $n ->
    [one] { $n } minute ago
   *[other] { $n } minutes ago
}
ago-hours = { $n ->
    [one] { $n } hour ago
   *[other] { $n } hours ago
}
ago-days = { $n ->
    [one] { $n } day ago
   *[other] { $n } days ago
}
in-seconds = { $n ->
    [one] in { $n } second
   *[other] in { $n } seconds
}
in-minutes = { $n ->
    [one] in { $n } minute
   *[other] in { $n } minutes
}
in-hours = { $n ->
    [one] in { $n } hour
   *[other] in { $n } hours
}
in-days = { $n ->
    [one] in { $n } day
   *[other] in { $n } days
}

sign-in = Sign in
sign-in-help = Open the link that your product gave you, or paste it here. A key with the scope “read” works as well.
sign-in-admin-help = Paste an operator’s key. On the machine that runs Tidings, “tidings console” opens this page signed in.
sign-in-key = Link or key
sign-in-unknown = This link or key does not work: it has expired, was deleted, or is misspelt.
sign-in-link-used = This link works once, and has been used. Ask whoever gave it to you for a new one. If it was not you who used it, say so: the session can be ended.
sign-in-later = Signing in does not work at the moment. Try again shortly.
sign-in-no-read = This key may not read. Use one with the scope “read”.
sign-in-ended = Your session has ended: its key or link was deleted or has expired.
sign-in-operator-only = This page is for operators. Sign in with an operator’s key.

refused = This was refused
refused-not-found = There is nothing here
refused-forbidden = You may not do this
refused-away = This can’t be shown right now
refused-home = Back to the start

connect = Connect
connect-title = Connect your first webhook
connect-intro = Tidings sends an HTTP POST to a URL of yours whenever something happens.
connect-url = Give the URL that receives the events.
connect-events = Choose which events it gets.
connect-test = Send a test and see what your receiver answers.
create-webhook = Create webhook
created = Created
create = Create
create-off = Keep it off until I turn it on
made = The webhook is there. Send it a test to see that it works.
cancel = Cancel
status = Status
name = Name
name-placeholder = Production
url = URL
url-hint = Where requests go. Slack’s and Discord’s URLs get messages in their own format.
dialect = Format
dialect-by-url = As the URL suggests
events = Events
events-hint = Only chosen events are sent; with none chosen nothing is.
all-events = All events
find-events = Search event types
patterns = Patterns, one per line, such as feedback.*
event-trigger = Event trigger
latest-attempts = Latest attempts
none-yet = Nothing sent yet
no-events = No events: nothing is sent
enabled = Enabled
on = On
off = Off
turn-on = Turn on
turn-off = Turn off
turn-on-name = Turn on { $name }
turn-off-name = Turn off { $name }
secret = Secret
secret-optional = Secret (optional)
secret-hint = Requests are signed with it. Left empty, one is generated where the format needs it.
contact = E-mail address
contact-hint = Gets one mail when the webhook fails for good or is turned off.
next-page = More

overview = Overview
settings = Settings
endpoint-pages = This webhook
since = since
n-held = { $n } held
n-scheduled = { $n } waiting for their next attempt
send-test = Send test
recover = Recover
delete = Delete
all-attempts = All attempts
time = Time
result = Result
event-type = Event type
duration = Duration
next = Next
test = Test

health-new = New
health-works = Works
health-quiet = Quiet
health-failing = Failing
health-off = Off
health-turned-off = Turned off
health-new-advice = Nothing was sent yet. Send a test to see that your receiver understands it.
health-works-advice = Requests are answered with success.
health-quiet-advice = Nothing was sent for a week: no event that this webhook subscribes to was published.
health-failing-advice = A delivery was given up and none has succeeded since. Look at the latest attempts, repair the receiver, then recover what it missed.
health-off-advice = Somebody turned it off. What is published meanwhile is held, and sent or dropped, as you choose, when you turn it on.
health-turned-off-advice = Tidings turned it off, because the receiver said it is gone (410) or because everything failed for days. Repair the receiver and turn it on.

enable-nothing-held = Nothing is held for this webhook.
enable-held = { $n } deliveries were held while it was off. What becomes of them?
enable-release = Send them, as fast as the receiver takes them
enable-cancel = Drop them
delete-title = Delete this webhook?
delete-explained = It gets no more requests. Its log stays. This can’t be undone.
delete-waiting = { $n } deliveries wait for this webhook. They are cancelled.
delete-confirm = Type “{ $name }” to confirm
delete-now = Delete

saved = Saved.
save = Save
special-subscriptions = These stay as they are; filters have a page of their own.
delivery = Delivery
schedule = Waits between attempts
schedule-hint = Separated by blanks, such as 1m 5m 2h. Left empty: { $usual }
timeout = Time limit of a request
concurrency = Requests at once
rate = Requests per second
properties = Properties
properties-label = Up to { $n } properties that are sent in addition, one per line
settings-too-many-properties = At most { $n } properties can be sent. Take some out.
settings-number = Give a whole number, or leave the field empty.
settings-conflict = Somebody changed this webhook while you were editing. What you typed is still below; open the settings in another tab to see what changed, then save again from there.

test-explained = Sends a sample at once, also while the webhook is off. It is marked as a test in the log and never tried again.
load-sample = Load sample
payload = Payload
schema-met = The payload is as version { $version } of the schema says.
schema-violated = The payload is not as version { $version } of the schema says.
whole-payload = The payload
check-schema = Check against the schema
send-anyway = Send all the same
try-payload = Try a payload
test-no-json = The payload is not JSON.
test-succeeded = The receiver accepted the test.
test-failed = The receiver did not accept the test.
test-nothing-yet = Request and response appear here.
details = Details

secret-explained = Your receiver checks with this secret that requests come from here.
unsigned = Requests to this webhook are not signed.
previous-secret = The secret before the last rotation still signs until
public-key = Public key:
reveal = Show the secret
secret-hide = Leave this page to hide it. Only people who may manage webhooks can see it.
rotate-title = Replace the secret
rotate-explained = The old secret goes on signing for a while, so that you can change your receiver without losing a request.
rotate-secret = New secret
rotate-generated = Generated if left empty
overlap = The old one signs for
overlap-none = Not at all
rotate = Replace
rotated = The secret was replaced.

recover-explained = Sends again what was given up, without the events that arrived later. First attempts of new events do not wait behind it.
recover-reach = Given up in the
last-hours = last { $n } h
count = Count
n-exhausted = { $n ->
    [one] { $n } delivery was given up.
   *[other] { $n } deliveries were given up.
}
at-least = There may be more.
recover-start = Send again

logs-title = Webhook logs
logs-all-tenants = Webhook logs of all tenants
tenant = Tenant
status-code = Status code
outcome = Outcome
any = Any
from-day = From
to-day = To
endpoint = Endpoint
endpoints = Endpoints
more-filters = More filters
failure-reason = Reason
error-contains = Error contains
min-duration = Took at least
per-page = Per page
search = Search
clear = Clear
logs-none = No attempt matches.
logs-near = The events, each with what became of it
logs-look-further = Nothing found yet. The search looked through a part of the log and can go on.
look-further = Look further back
logs-no-time = “{ $text }” is not a day.
nothing-found = Nothing found.
older = Older
n-endpoints = { $n ->
    [one] { $n } endpoint
   *[other] { $n } endpoints
}
tail-start = Watch live
tail-stop = Watching …
tail-new = new – show
attempt = Attempt
attempts = Attempts
attempt-n = Attempt { $n }
no-answer = No answer
send-again = Send again
try-now = Try now
a-test = A test
event = Event
phases = Phases
first-byte = first byte
timeline = Timeline
planned = Planned
views = How bodies are shown
view-laid-out = Laid out
view-raw = As sent
view-hex = Hexadecimal
as-curl = As a curl command
request = Request
response = Response
request-headers = Request headers
response-headers = Response headers
n-bytes = { $n } bytes
download = Download
response-cut = the response went on
from-address = from { $address }
body-cut = Only the beginning is shown. Download it to see everything.

state = State
due = Due
changed = Changed
state-pending = Pending
state-scheduled = Scheduled
state-held = Held
state-succeeded = Succeeded
state-exhausted = Given up
state-cancelled = Cancelled
outcome-succeeded = Succeeded
outcome-failed-retryable = Failed, tried again
outcome-failed-final = Failed for good
reason-status = Status
reason-timeout = Timed out
reason-dns = Name not found
reason-connect = No connection
reason-tls = TLS failed
reason-blocked-address = Address not allowed
reason-proxy = Proxy failed
reason-protocol = Not HTTP
reason-authorization = No token
reason-render = Not rendered
cause-endpoint-disabled = the webhook is off
cause-endpoint-deleted = the webhook was deleted
cause-by-request = somebody asked for it
cause-filtered = a filter kept it back
cause-erased = its content was erased
verdict-delivered = Delivered
verdict-given-up = Given up
verdict-cancelled = Cancelled
verdict-waiting = Waiting
verdict-under-way = Under way
verdict-held = Held
verdict-not-subscribed = Not subscribed
verdict-subscription-off = Subscription is off
verdict-subscribed-later = Subscribed later
verdict-made-later = Made later
verdict-operational = Operational events only

accepted = Accepted
occurred = Happened
idempotency-key = Idempotency key
what-became = What became of it
no-endpoint-at-all = There was no endpoint to send it to.
erased = The content was erased on

replay = Replay
replays-explained = Jobs that send again what the log has.
rows = Rows
deliveries = Deliveries
skipped = Left out
replay-progress = { $walked } of { $matched } rows gone through.
replay-made = { $deliveries } deliveries made, { $skipped } rows left out.
replay-running = Running
replay-paused = Paused
replay-succeeded = Done
replay-cancelled = Stopped
replay-failed = Failed
ended = Ended
pause = Pause
resume = Resume
stop-replay = Stop

id = Id
tenant-new = New tenant
tenant-made = { $name } is there. This is its key; it is shown only now:
no-tenants = There is no tenant yet.
see-what-they-see = See what they see

# Signatures and how receivers verify them.
signature = Signature
verify-signature = Check the signature
signature-explained = What of this attempt was signed, with which key, and what came of it, in the format “{ $dialect }”.
signature-unsigned = This request is not signed: its format has no signature, or the webhook has no secret.
signature-endpoint-gone = The webhook was deleted, and its secret with it: nothing can be computed any more. Bodies can still be compared below.
signature-secret-unreadable = The secret can’t be opened right now: its operator has to add a missing key. Bodies can still be compared below.
signature-dialect-unknown = The format that this was written in is gone. Bodies can still be compared below.
signature-request-gone = No request was made, or its content is not kept any more.
signature-token-sent = shows the secret itself, which was sent. A receiver compares it with its own.
signature-token-absent = would show the secret itself, and was not sent: the webhook has none.
signature-right = Right
signature-wrong = Not that of a secret of today
signature-step-text = What is signed, byte for byte
signature-step-key = The key
signature-step-value = { $algorithm } of the text with the key, as { $encoding }
signature-step-sent = The header that was sent
signature-key-decoded = Take what is behind “whsec_” and decode it from base64: these bytes are the key.
signature-key-text = Take the text of the secret as it is: its bytes are the key, whatever it looks like.
signature-current = The secret of today
signature-previous = The secret before the last replacement
signature-masked = not shown
signature-reveal = Show the key
signature-revealed = The key is shown in hexadecimal. That it was shown is in the audit log.
signature-value-hidden = A value that was not sent is shown only to people who may manage webhooks.
signature-equal = in the header
signature-unequal = not in the header
signature-not-sent = There was none.
signature-wrong-explained = The secret was replaced after this attempt, and the one that signed it is gone. Attempts from now on are signed with the secret of today.
compare-title = Compare with what your receiver saw
compare-explained = Paste what you have of it. The first byte that differs is named, and what usually does that. Nothing of it is kept.
compare-headers = Headers, one a line
compare-body = Body
compare-base64 = The body is pasted as base64. Line ends count then; in a text, browsers change them.
compare-secret = The secret that your receiver has
compare-computed = The signature that your receiver computed
compare-received-at = When your receiver checked, in { $zone }
compare = Compare
compare-verifies = With this the signature is right.
compare-fails = With this the signature is wrong.
compare-difference = The first { $at } bytes are the same
compare-place = The first difference is in line { $line } of what was sent, byte { $column }.
compare-byte = Byte
compare-around = Around it
compare-sent = Sent
compare-received = Received
finding-body-same = The body is the one that was sent, byte for byte.
finding-body-empty = The body is empty: something has read it before the signature was checked. Keep the raw bytes first.
finding-body-bom = A byte order mark (EF BB BF) was put in front. Write and read the body as bytes, not as a text file.
finding-body-newline-added = A line end was added at the end. Tools like “echo” and editors do that.
finding-body-newline-cut = The line end at the end was taken away. Do not trim the body before checking.
finding-body-line-ends = Line ends were changed between LF and CRLF. Read the body as bytes, not as text.
finding-body-blanks = Blanks at the beginning or the end were added or taken away. Do not trim the body before checking.
finding-body-base64 = The body is still base64, as some gateways hand it over (isBase64Encoded). Decode it before checking.
finding-body-quoted = The body was written as a JSON string once more. Check what came, before it is put into anything.
finding-body-numbers = The body was parsed and printed again, which rounded a number. Check the bytes that came.
finding-body-order = The body was parsed and printed again, which changed the order of its members. Check the bytes that came.
finding-body-slashes = The body was parsed and printed again, which escaped its slashes, as PHP’s json_encode does. Check the bytes that came.
finding-body-escapes = The body was parsed and printed again, which escaped its letters beyond ASCII, as Python’s json.dumps does. Check the bytes that came.
finding-body-pretty = The body was parsed and printed again, over several lines. Check the bytes that came.
finding-body-spaces = The body was parsed and printed again, with blanks after colons and commas, as Python’s json.dumps does. Check the bytes that came.
finding-body-reprinted = The body was parsed and printed again: the same JSON in other bytes. Check the bytes that came.
finding-body-latin = The body was changed from UTF-8 to ISO 8859-1. Read it as bytes, or as UTF-8.
finding-body-mistaken = The body was read as ISO 8859-1 or Windows-1252, though it is UTF-8. Read it as bytes, or as UTF-8.
finding-body-lost = Letters beyond ASCII were lost: the body went through a charset that does not have them.
finding-body-cut = The last { $n } bytes are missing. Read the body to its end, and look for a limit of its size.
finding-body-longer = { $n } bytes follow that were not sent: something is appended to the body.
finding-body-other = The body is another one. Look whether it belongs to another request, or was changed on the way.
finding-headers-same = The headers that the signature needs are those that were sent.
finding-header-missing = The header { $header } did not arrive, or was not pasted. Look whether a proxy takes it away.
finding-header-blanks = Blanks in the header { $header } were changed.
finding-header-case = The header { $header } was changed between upper and lower case.
finding-header-cut = The header { $header } was cut short.
finding-header-differs = The header { $header } is another one than was sent: it belongs to another attempt, or was changed.
finding-header-of-another = The signature is that of attempt { $n } ({ $attempt }).
finding-secret-current = The secret is the webhook’s.
finding-secret-previous = The secret is the one before the last replacement. Take over the new one before the old one ends.
finding-secret-blanks = The secret has blanks or a line end around it. Take them away.
finding-secret-quotes = The secret stands in quotes. Take them away.
finding-secret-bare = The secret is the webhook’s without “whsec_”: right if the receiver decodes it from base64 itself.
finding-secret-cut = “whsec_” belongs to the secret here and is missing: the whole text is the key.
finding-secret-prefixed = “whsec_” was put in front of the secret. Take it away.
finding-secret-case = The secret differs in upper and lower case only. Copy it again.
finding-secret-encoded = The secret was encoded or decoded once more. Give it to the receiver as it is shown here.
finding-secret-short = The end of the secret is missing. Copy it again.
finding-secret-other = The secret is not the webhook’s: it is older than its last replacement, or another webhook’s.
finding-computed-right = What the receiver computed is right. Compare it with what stands behind the header’s prefix.
finding-computed-unreadable = What the receiver computed is neither hexadecimal nor base64.
finding-computed-hash = What the receiver computed has { $n } bytes, and HMAC-SHA-256 has 32: another hash was taken, or it was written twice.
finding-computed-other = What the receiver computed comes neither from these bytes nor from these keys. Look at the body and the secret.
finding-computed-encoding = The value is right, written as { $written }; the header has it as { $expected }.
finding-computed-key-text = The receiver took the secret’s text for the key. The key is what the base64 behind “whsec_” says.
finding-computed-key-bare = The receiver took the text behind “whsec_” for the key, without decoding it, or though the prefix belongs to it.
finding-computed-key-decoded = The receiver decoded the secret from base64. Here the whole text, as it is shown, is the key.
finding-computed-key-previous = The receiver has the secret before the last replacement. Take over the new one.
finding-computed-key-given = The receiver computes with the secret that was pasted, which is not the webhook’s.
finding-computed-text-body = The receiver signed the body alone. What is signed has more in it, as shown above.
finding-computed-text-received = The receiver computes rightly over the body that it has, which is not the one that was sent.
finding-clock-late = It was checked { $n } s after it was signed, and receivers take 300 s at most. Set the clock, or check when the request comes.
finding-clock-early = By the receiver’s clock it was checked { $n } s before it was signed. Set the clock.
finding-clock-right = The time is within what receivers tolerate.
verify = Verify
verify-title = Verify that requests come from here
verify-explained = The receiver computes the signature in { $header } again from the bytes as they came. Check before the body is parsed.
verify-token = Requests show the secret in { $header }. The receiver compares it with its own.
verify-nothing = Requests in this format prove nothing: they have neither signature nor secret. Whoever knows the URL can send to it.
verify-unknown = What is signed in this format is not all in the request: a receiver can’t verify it by the request alone.
verify-sample = A signed sample
verify-sample-explained = This command sends a sample, signed as of now, from your machine. Put your receiver’s address in.
verify-fails = If a signature does not match, open the attempt and choose “Check the signature”:
show-request = Show the request
preview-title = The request as it would go
preview-explained = Nothing was sent. What is secret is masked; times and signature are of this moment.

# Two attempts side by side.
difference = Difference
difference-title = Attempt { $one } and attempt { $other }
difference-with = With
difference-to = Difference to attempt { $n }
difference-alone = There is no other attempt of this delivery to compare it with.
difference-headers = Headers that differ
difference-headers-same = The headers are the same.
difference-body-same = The body is the same, byte for byte.
difference-bytes-only = The bodies say the same JSON in other bytes.
error = Error
phase-dns = Name lookup
phase-connect = Connecting
phase-tls = TLS
remote-address = Address
as-markdown = As Markdown
as-markdown-hint = For a ticket. What may be a secret is left out, times are in UTC. Read through it before you pass it on: bodies are as they were sent.

# Filters, tried before they are saved.
filters = Filters
filters-title = Which of the events it subscribes to it gets
filters-explained = A filter is a condition on the event, such as payload.rating <= 2 or "vip" in payload.tags. Without one every event of the pattern is sent.
filters-pattern = Events
filters-filter = Filter
filters-hint = Leave the pattern of a line empty to take the line out.
filters-try = Try on the last 20 events
filters-passed = { $passed } of the last { $all } events would have been sent
filters-no-events = There is no event to try it on yet.
filters-passes = Sent
filters-stays = Not sent
filters-why = Why
filters-off = off
filters-other-type = another type
filters-kept-back = the filter keeps it back
filters-edit = Change and try filters

# Event types, keys, changes and settings of a tenant.
nav-event-types = Event types
nav-keys = Keys
nav-audit = Audit log
event-types-explained = What can happen, out of the catalogue and the formats’ samples. Events of other types can be published as well.
description = Description
version = Version
version-n = Version { $n }
versions = Versions
samples-in = Samples in
subscribers = Who subscribes
subscribers-none = No webhook subscribes to it: events of this type are sent to nobody.
fields = Fields
field = Field
kind = Kind
required = required
schema = Schema
schema-none = The catalogue has no schema for it: any payload will do.
sample = Sample
audit-explained = Who changed what, and who looked at a secret. Secrets are not in it.
action = Action
target = What
key = Key
actor = Who
changes = Changes
show-changes = Show
actor-tenant = Tenant’s key
actor-operator = Operator
actor-internal = Another role
actor-bootstrap = Whoever has the database
actor-system = Tidings
scopes = May
last-used = Last used
expires = Expires
expired = expired
never = Never
actions = Actions
change = Change
portal-link = Portal link
keys-made = This is the key. It is shown only now:
keys-link-made = This is the link. It is shown only now:
keys-new = New key
keys-make = Make key
keys-no-scope = Choose what the key may do.
keys-scopes-hint = “publish” sends events, “read” looks at everything, “manage” changes webhooks, keys and settings.
keys-days = Works for so many days; for good if left empty
keys-rotate = Replace
keys-overlap = The old one works for
keys-revoke = End it now
keys-new-link = New portal link
keys-link-explained = Leads people to these pages without a key, for a while.
keys-link-length = Works for
keys-link-read-only = They can only look
keys-link-once = It works once: only the first browser gets in
keys-link-unused = works once, not used yet
keys-link-used-at = works once, used { $at }
keys-link-page = Opens the page; the first one if left empty
keys-link-language = Language
keys-link-language-preferred = As the browser prefers
keys-link-accent = Colour of links and buttons, like #2456c7; as configured if left empty
keys-link-look-hint = Who has chosen a language keeps it. The colour is made lighter or darker until it is legible.
keys-make-link = Make link
validation = Events whose payload does not match the schema of their type
validation-off = are not checked
validation-warn = are accepted, with a warning in the answer
validation-reject = are refused
retention = How long things are kept
retention-payloads = Payloads, in days
retention-attempts = Attempts, in days
retention-hint = Left empty, they are kept for as long as the operator keeps them.

# Why a search found nothing.
absent-events = { $n ->
    [one] One event matches the type and the time:
   *[other] { $n } events match the type and the time:
}
absent-no-endpoint = { $n ->
    [one] One came when there was no webhook at all.
   *[other] { $n } came when there was no webhook at all.
}
absent-nobody-subscribed = { $n ->
    [one] One had no webhook that subscribes to it.
   *[other] { $n } had no webhook that subscribes to them.
}
absent-held-off = { $n ->
    [one] One is held because “{ $endpoint }” is off.
   *[other] { $n } are held because “{ $endpoint }” is off.
}
absent-held = { $n ->
    [one] One is held until “{ $endpoint }” can take more.
   *[other] { $n } are held until “{ $endpoint }” can take more.
}
absent-under-way = { $n ->
    [one] One is on its way to “{ $endpoint }”.
   *[other] { $n } are on their way to “{ $endpoint }”.
}
absent-waiting = { $n ->
    [one] One waits for its next attempt at “{ $endpoint }”.
   *[other] { $n } wait for their next attempt at “{ $endpoint }”.
}
absent-delivered = { $n ->
    [one] One was delivered to “{ $endpoint }”; its attempts do not match the other filters.
   *[other] { $n } were delivered to “{ $endpoint }”; their attempts do not match the other filters.
}
absent-given-up = { $n ->
    [one] One was given up for “{ $endpoint }”; its attempts do not match the other filters.
   *[other] { $n } were given up for “{ $endpoint }”; their attempts do not match the other filters.
}
absent-cancelled = { $n ->
    [one] One was not sent to “{ $endpoint }”: it was cancelled.
   *[other] { $n } were not sent to “{ $endpoint }”: they were cancelled.
}
absent-filtered = { $n ->
    [one] A filter of “{ $endpoint }” kept one back.
   *[other] A filter of “{ $endpoint }” kept { $n } back.
}
absent-not-subscribed = { $n ->
    [one] “{ $endpoint }” does not subscribe to one of them.
   *[other] “{ $endpoint }” does not subscribe to { $n } of them.
}
absent-subscription-off = { $n ->
    [one] The subscription of “{ $endpoint }” was off for one of them.
   *[other] The subscription of “{ $endpoint }” was off for { $n } of them.
}
absent-subscribed-later = { $n ->
    [one] “{ $endpoint }” subscribed after one of them had come.
   *[other] “{ $endpoint }” subscribed after { $n } of them had come.
}
absent-made-later = { $n ->
    [one] “{ $endpoint }” was made after one of them had come.
   *[other] “{ $endpoint }” was made after { $n } of them had come.
}
absent-operational = { $n ->
    [one] “{ $endpoint }” gets news of webhooks only, not this event.
   *[other] “{ $endpoint }” gets news of webhooks only, not these { $n } events.
}
absent-subscribe = Change what it subscribes to
absent-choose = Choose a webhook
absent-newest = No such event came in that time. The newest came earlier or later:
absent-no-event = No such event was ever published. Look whether the type is spelled as it is published.
absent-show = Show them
without-status-code = There are attempts with another status code.
without-outcome = There are attempts with another outcome.
without-failure-reason = There are attempts that failed for another reason, or did not fail.
without-error = There are attempts without this text in their error.
without-min-duration = There are attempts that were quicker.
without-endpoint-id = There are attempts for other webhooks.
without-event-type = There are attempts of other event types.
without-since = There are attempts at other times.

# The same as a page, on the command line.
same-as = The same on the command line
same-explained = $API is the address of this service with /api/v2 behind it, $TIDINGS_KEY is your key.
# Operators' pages.

nav-overview = Overview
nav-queues = Queues
nav-dialects = Formats
nav-admin-audit = Audit log
nav-system = System

nothing-needs-you = Nothing needs you.
nothing-needs-you-checked = Components, queues, overdue deliveries, replays and endpoints were looked at just now.
overview-limit = As far as the process that answers knows.
needs-you = Needs you
do-look = Look
do-list = List them
do-requeue = Requeue or discard
do-explain = Explain
do-stop = Pause or stop
finding-component-missing = “{ $component }” is missing in this process since { $since }: { $reason }
finding-peer-not-ready = The process { $role } at { $server } can’t be relied upon: { $reason }
finding-queue-unknown = The queue can’t be looked at: { $reason }
finding-database-unknown = The database can’t be asked: { $reason }
finding-canary-missing = Messages do not come back from the shortest delay queue: the broker hands over nothing that has waited long enough. Restart its nodes one after the other; the sweeper delivers meanwhile.
finding-queue-stuck = { $count ->
    [one] { $count } message is stuck in { $queue }.
   *[other] { $count } messages are stuck in { $queue }.
}
finding-messages-parked = { $count ->
    [one] { $count } message was set aside in { $queue } and waits for somebody to look.
   *[other] { $count } messages were set aside in { $queue } and wait for somebody to look.
}
finding-lane-unattended = { $count ->
    [one] { $count } message waits in { $queue }, and nobody takes it: no dispatcher runs.
   *[other] { $count } messages wait in { $queue }, and nobody takes them: no dispatcher runs.
}
finding-delivery-overdue = { $delivery_id } should have been published again at { $since } and was not.
finding-replay-stands = The replay { $replay_id } has not got on since { $since }.
finding-endpoints-failing = { $at_least ->
    [true] At least { $count } endpoints fail: a delivery was given up, and none has succeeded since.
   *[false] { $count ->
        [one] { $count } endpoint fails: a delivery was given up, and none has succeeded since.
       *[other] { $count } endpoints fail: a delivery was given up, and none has succeeded since.
    }
}
finding-endpoints-turned-off = { $at_least ->
    [true] At least { $count } endpoints were turned off by Tidings. What is published for them is held.
   *[false] { $count ->
        [one] { $count } endpoint was turned off by Tidings. What is published for it is held.
       *[other] { $count } endpoints were turned off by Tidings. What is published for them is held.
    }
}

endpoints-all-tenants = Endpoints of all tenants
host = Host
standing-on = On
standing-failing = Failing
standing-off = Off
standing-turned-off = Turned off by Tidings

queues-explained = First attempts wait in the lanes “live” and “bulk”, later ones in “retry”. A delay queue hands its messages to a lane when their time has come.
queue = Queue
queue-kind = For
messages-waiting = Waiting
consumers = Consumers
queue-stuck = Stuck
queues-empty-too = Show { $n } empty queues too
queue-kind-live = First attempts
queue-kind-bulk = First attempts beyond a tenant’s share
queue-kind-retry = Later attempts
queue-kind-delay = Delay
queue-kind-parked = Parked
queue-kind-unrouted = Unrouted
queue-kind-records = Records for the log
queue-kind-other = Other
parked-explained = Nobody could read or settle these messages. Read the reason, correct the cause, then requeue them.
unrouted-explained = These messages had no lane when their wait was over, because a binding or a queue was deleted. The sweeper has published their deliveries again, so they can be discarded; one that is requeued is not delivered twice.
message = Message
message-kind-delivery = Delivery
message-kind-record = Record
message-body = What it says
set-aside = Set aside
size = Size
nothing-aside = Nothing was set aside.
messages-first = The first { $n } of { $count }.
n-messages = { $n ->
    [one] { $n } message
   *[other] { $n } messages
}
requeue = Requeue
requeue-n = Requeue all { $n } …
requeue-title = Requeue?
requeue-explained = Messages are published where they came from: deliveries in their lane, records in the queue of records. What can’t be read stays.
discard = Discard
discard-n = Discard all { $n } …
discard-title = Discard for good?
discard-explained = The ledger keeps what it knows of deliveries, and the sweeper publishes open ones again. A record that is discarded is lost.
settle-grown = More messages have come since you looked. Nothing was done; this is how many there are now.
settled = { $done } done, { $refused } stay.
settled-refusal = What stays can’t be read: { $refusal }

admin-event-types-explained = What can be subscribed to: the catalogue, and what formats have samples of. With a schema, payloads are checked when they are published.
only-dialects = Only formats know it; it is not in the catalogue.
event-type-new = New event type
version-new = New version
version-added = The version was added. It counts from now on.
no-schema = Any payload will do.
schema-optional = JSON Schema of payloads (optional)
schema-hint = Checked before it is added. Left empty, any payload will do.
schema-no-json = The schema is not JSON: { $error }
add-version = Add version

dialects-explained = How requests look. Each is a file.
signs = Signs
yes = Yes
no = No
chosen-for = Chosen for
preview = Preview
preview-unsent = nothing was sent

operators-keys = Operators’ keys
keys-explained = They work for all tenants. Keys of tenants are found with their tenant.
key-new = New key
key-made = { $name } is there. This is its token; it is shown only now:
key-gone = There is no such key.
key-lasts = Works for
n-days = { $n ->
    [one] { $n } day
   *[other] { $n } days
}
for-ever = For ever
key-scopes = Scopes
scope-publish = publish events
scope-read = look at everything
scope-manage = change things
ends = Ends
not-ever = Never
unnamed = No name
what-it-did = What it did
revoke = Revoke
revoke-title = Revoke this key?
revoke-explained = It stops working within a second, with every session that was opened by it. This can’t be undone.

admin-audit-explained = Everything that people manage is in here: who changed what, when, and from where. Times are kept in UTC.
who = Who
what-changed = Change
n-parts = { $n ->
    [one] { $n } part
   *[other] { $n } parts
}
who-tenant = Tenant
who-operator = Operator
who-internal = Another role
who-bootstrap = Whoever has the database
who-system = Tidings

ready = Ready
not-ready = Not ready
up = There
missing = Missing
needed = needed
data-in = data in { $name }
messages-in = messages in { $name }
engine-sqlite = SQLite
engine-postgresql = PostgreSQL
engine-rabbitmq = RabbitMQ
kept-for = events are kept for { $time }
kept-for-ever = events are kept for ever
system-limit = This page is about the process that answers. Of others it is known whether they say that they are able to do their job.
components = Components and background tasks
since-when = Since
peers = Other processes
no-peers = Every role runs in this process.
role = Role
server = Server
seal-keys = Keys that seal secrets
seal-keys-explained = What is sealed with a key that is missing here can’t be opened: its deliveries are held.
in-configuration = In this process
seals = seals and opens
opens = opens
sealed-secrets = Secrets
sealed-answers = Answers kept for a day
configuration = Configuration in force
configuration-explained = File, then environment, then flags; secrets are masked.
report = For a report
report-copy = Versions and components as text, to copy

# What explanations say, by the codes of the API.

fact-no-attempt-yet = No attempt was made yet.
fact-attempt-delivered = Attempt { $number }{ $all ->
    [none] {""}
   *[other] {" "}of { $all }
} at { $at } was answered with { $status }{ $took ->
    [none] {""}
   *[other] {" "}after { $took } ms
}: delivered.
fact-attempt-failed = Attempt { $number }{ $all ->
    [none] {""}
   *[other] {" "}of { $all }
} at { $at } failed: { $status ->
    [none] { $reason }
   *[other] { $status }
}{ $took ->
    [none] {""}
   *[other] {" "}after { $took } ms
}.{ $error ->
    [none] {""}
   *[other] {" "}{ $error }
}
fact-was-a-test = It was a test, which is tried once.
fact-given-up-unwritten = It can’t be written in the webhook’s format, which no other attempt would change: given up.
fact-given-up-final = { $status } is final for this webhook: given up.
fact-given-up-schedule = All { $attempts } attempts of its schedule failed: given up.
fact-cancelled-endpoint-deleted = Cancelled at { $at }: the webhook was deleted.
fact-cancelled-endpoint-unusable = Cancelled at { $at }: the webhook can’t be used, because its format is gone or its secret unreadable.
fact-cancelled-by-request = Cancelled at { $at }: somebody asked for it when the webhook was turned on again.
fact-cancelled-erased = Cancelled at { $at }: the event’s content was erased.
fact-cancelled-expired = Cancelled at { $at }: the event became older than events are kept.
fact-cancelled-otherwise = Cancelled at { $at }: { $reason }
fact-filtered = Not sent: the event type matched a subscription, but the filter did not match.
fact-filter-undecided = Not sent: the webhook’s filters take too long for this payload and were stopped before they said whether it is wanted. Make them simpler, and send the event again if it is.
fact-nothing-more = Nothing more is sent.
fact-nothing-more-unless-asked = Nothing more is sent, unless somebody { $enabled ->
    [true] sends it again
   *[false] turns the webhook on and sends it again
}.
fact-endpoint-deleted = The webhook was deleted: nothing more is sent, and it is cancelled when its turn comes.
fact-endpoint-off = The webhook is off, { $why ->
    [gone] because it answered 410 Gone
    [failing] because it failed for days
   *[people] because somebody turned it off
}: nothing is sent until it is turned on.
fact-attempt-due = Attempt { $number } is due at { $at }{ $asked ->
    [true] , as the receiver asked (Retry-After)
   *[false] {""}
}.
fact-attempt-due-now = Attempt { $number } is due now.{ $again ->
    [none] {""}
   *[other] {" "}If nothing is heard of it by { $again }, it is published again.
}
fact-circuit-open-until-then = The circuit is open after { $failures } failures in a row: unless a probe is answered well until then, it is deferred and held.
fact-kept-by-ledger = It is not in the queue: the ledger keeps it, and publishes it as soon as it is due and the queue takes it.
fact-held-endpoint-off = Held: the webhook is off, { $why ->
    [gone] because it answered 410 Gone
    [failing] because it failed for days
   *[people] because somebody turned it off
}.
fact-held-endpoint-was-off = Held while the webhook was off.
fact-held-circuit-open = Held: the circuit is open, because the webhook keeps failing{ $since ->
    [none] {""}
   *[other] {" "}since { $since }
}.
fact-held-secret-unreadable = Held: the webhook’s secret, or what its requests carry to be let in, can’t be opened.
fact-held-dialect-unknown = Held: a dispatcher does not have the webhook’s format{ $dialect ->
    [none] {""}
   *[other] , { $dialect }
}.
fact-held-subscriptions-unreadable = Held: the webhook’s subscriptions can’t be read as they are stored, so nobody can tell whether it wants the event.
fact-held-unknown = Held: a newer version of Tidings did so, for a reason that this one does not know.
fact-held-rate-limited = Held: there are more deliveries than the webhook’s rate limit lets through.
fact-held-busy = Held: the webhook has as many requests under way as it takes, and others wait before this one.
fact-held-parts-unreadable = Held: this can’t be read of the webhook as it is stored: { $parts }.
fact-held-no-request = Held: the format { $dialect } makes no request of any event with the webhook’s settings and secret.
fact-held-unusable = Held: no request could be made for the webhook as it was configured.
fact-sent-now = It is sent, at the webhook’s own pace, now that it is on.
fact-sent-after-probe = It is sent, at the webhook’s own pace, when a probe is answered well.
fact-sent-with-secret = It is sent, at the webhook’s own pace, when the missing key is there again or the webhook has a new secret.
fact-sent-with-dialect = It is sent, at the webhook’s own pace, when every dispatcher has the format’s file, or the webhook has another format.
fact-sent-with-subscriptions = It is sent, at the webhook’s own pace, when they are given again, if the event is among them.
fact-sent-when-passed = It is sent, at the webhook’s own pace, when that reason has passed.
fact-sent-as-rate-allows = It is sent as the rate limit allows.
fact-sent-after-others = It is sent, at the webhook’s own pace, after those before it.
fact-sent-with-parts = It is sent, at the webhook’s own pace, when that is given again in the settings.
fact-sent-when-fit = It is sent, at the webhook’s own pace, when they fit; a test shows what is wrong.
fact-sent-when-repaired = It is sent, at the webhook’s own pace, when that is repaired.
fact-waits-in-lane = It waits in its lane.
fact-waits-or-under-way = It waits in its lane, or its attempt is under way.
fact-attempt-soon = Attempt { $number } is made as soon as a dispatcher takes it.{ $again ->
    [none] {""}
   *[other] {" "}If nothing is heard of it by { $again }, it is published again.
}
fact-deferred-circuit-open = Deferred: the circuit is open after { $failures } failures in a row.
fact-deferred-busy = Deferred: the webhook has { $requests } requests under way, as many as it takes at once right now.
fact-tried-again-soon = It is tried again in some seconds, and held if the circuit stays open.
fact-previous-secret-signs = Until { $until } the secret before the last rotation signs alone, because the format { $dialect } has room for one signature; from then on the new one does.
fact-both-secrets-sign = Until { $until } the secret before the last rotation and the new one both sign.
fact-operational-only = Did not match: this webhook gets operational events only.
fact-made-later = The webhook was made at { $at }, after the event was accepted.
fact-did-not-match = Did not match.
fact-subscribed-later = The webhook subscribes to { $type } now, but did not when the event was accepted; it was last changed at { $at }.
fact-subscription-off = Did not match: the subscription to { $pattern } is switched off.
fact-subscribes-to-nothing = Did not match: the webhook subscribes to nothing.
fact-subscribes-to-others = Did not match: the webhook subscribes to { $patterns } only.
fact-event-accepted = { $type } was accepted at { $at }.
fact-no-endpoints = There are no webhooks, so it went nowhere.
fact-nobody-wanted-it = No webhook wanted it, so it went nowhere.
fact-event-deliveries = { $count ->
    [one] It has { $count } delivery
   *[other] It has { $count } deliveries
}{ $delivered ->
    [0] {""}
   *[other] {" · "}{ $delivered } delivered
}{ $waiting ->
    [0] {""}
   *[other] {" · "}{ $waiting } waiting for its next attempt
}{ $under_way ->
    [0] {""}
   *[other] {" · "}{ $under_way } under way
}{ $held ->
    [0] {""}
   *[other] {" · "}{ $held } held
}{ $given_up ->
    [0] {""}
   *[other] {" · "}{ $given_up } given up
}{ $cancelled ->
    [0] {""}
   *[other] {" · "}{ $cancelled } cancelled
}
fact-event-erased = Its content was erased at { $at }.

health-struggling = Last one failed
health-struggling-advice = The latest request failed and is tried again as its schedule says. Look at the latest attempts to see what the receiver answered.

chart-title = Attempts over time
chart-table = The same as a table
chart-counted-since = There are too many attempts to count them all: those before { $time } are missing.
range-day = 24 hours
range-week = 7 days
range-month = 30 days
chart-none = No attempt in this time.
