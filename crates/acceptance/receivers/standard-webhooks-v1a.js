// A receiver that verifies the asymmetric signature of Standard Webhooks ("Signature scheme": v1a, ed25519). The
// libraries for JavaScript and Python pass it over, so Node's own cryptography checks it; the secret is `whpk_…`.
const crypto = require('crypto');
const express = require('express');

// What stands before the 32 bytes of an ed25519 key in DER (RFC 8410, section 4).
const DER = Buffer.from('302a300506032b6570032100', 'hex');
const raw = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whpk_/, ''), 'base64');
const key = crypto.createPublicKey({ key: Buffer.concat([DER, raw]), format: 'der', type: 'spki' });

const app = express();
app.use(express.text({ type: 'application/json' }));

app.post('/', (req, res) => {
  const id = req.headers['webhook-id'];
  const timestamp = req.headers['webhook-timestamp'];
  const signed = Buffer.from(`${id}.${timestamp}.${req.body}`);
  const signatures = (req.headers['webhook-signature'] ?? '').split(' ');
  const valid = signatures
    .map((signature) => signature.split(','))
    .some(([version, signature]) => version === 'v1a'
      && crypto.verify(null, signed, key, Buffer.from(signature, 'base64')));

  if (!valid) {
    return res.status(401).send('No matching signature found');
  }
  if (Math.abs(Date.now() / 1000 - timestamp) > 300) {
    return res.status(401).send('Message timestamp too old');
  }
  res.status(200).send(JSON.parse(req.body).type);
});

require('./receive')(app);
