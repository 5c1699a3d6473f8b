// A receiver that verifies with the library of Standard Webhooks.
const express = require('express');
const { Webhook } = require('standardwebhooks');

const app = express();
app.use(express.text({ type: 'application/json' }));

app.post('/', (req, res) => {
  try {
    const { type } = new Webhook(process.env.WEBHOOK_SECRET).verify(req.body, req.headers);
    res.status(200).send(type);
  } catch (error) {
    res.status(401).send(error.message);
  }
});

require('./receive')(app);
