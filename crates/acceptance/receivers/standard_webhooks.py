"""A receiver that verifies with the library of Standard Webhooks."""

import os

from receive import receive
from standardwebhooks import Webhook, WebhookVerificationError


def answer(headers, body):
    try:
        event = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, headers)
        return 200, event["type"]
    except WebhookVerificationError as error:
        return 401, str(error)


receive(answer)
