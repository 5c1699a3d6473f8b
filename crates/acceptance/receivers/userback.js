// A receiver of Userback's webhooks that checks all that its document says ("Webhook Payload Structure").
const express = require('express');
const app = express();

app.use(express.json());

app.post('/', (req, res) => {
  const { action, type, data, timestamp, url, ...rest } = req.body;
  const wrong = Object.entries({
    'Content-Type': req.headers['content-type'] === 'application/json; charset=utf-8',
    'User-Agent': req.headers['user-agent'] === 'Userback-Webhook',
    action: ['create', 'update', 'remove'].includes(action),
    type: ['feedback', 'comment'].includes(type),
    data: data !== null && typeof data === 'object' && Number.isInteger(data.id),
    timestamp: Number.isInteger(timestamp) && Math.abs(Date.now() / 1000 - timestamp) < 600,
    url: typeof url === 'string' && URL.canParse(url),
    'nothing else': Object.keys(rest).length === 0,
  }).filter(([, holds]) => !holds).map(([what]) => what);

  if (wrong.length > 0) {
    return res.status(422).json({ wrong });
  }
  res.status(200).send('OK');
});

require('./receive')(app);
