// A receiver of UserHero's webhooks as UserHero's document writes it ("Verifying Webhooks").
const crypto = require('crypto');
const express = require('express');

function verifyWebhook(payload, signature, secret) {
  const expected = 'sha256=' + crypto
    .createHmac('sha256', secret)
    .update(payload)
    .digest('hex');

  return crypto.timingSafeEqual(
    Buffer.from(signature),
    Buffer.from(expected)
  );
}

const app = express();
app.use(express.json());

app.post('/', (req, res) => {
  const signature = req.headers['x-userhero-signature'];
  // Not in the document: without it a signature of another length, or none, is an exception and a 500.
  if (signature?.length !== 'sha256='.length + 64) {
    return res.status(401).send('No signature');
  }
  const isValid = verifyWebhook(
    JSON.stringify(req.body),
    signature,
    process.env.WEBHOOK_SECRET
  );

  if (!isValid) {
    return res.status(401).send('Invalid signature');
  }

  const { event, data } = req.body;
  res.status(200).send(`${event} with ${data === null ? 'nothing' : typeof data}`);
});

require('./receive')(app);
