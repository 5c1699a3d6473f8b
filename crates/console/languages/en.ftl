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
go-unknown = No page has this id. Ids begin with att_, dlv_, ep_, evt_ or rpl_.
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
special-subscriptions = These stay as they are; filters are changed over the API.
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
logs-near = These events match the type and the time. Open one to see why nothing was sent:
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
