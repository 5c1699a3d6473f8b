// A receiver that verifies with Svix's library, which takes the headers of Standard Webhooks beside its own.
const express = require('express');
const { Webhook } = require('svix');

const app = express();
app.use(express.raw({ type: 'application/json' }));

app.post('/', (req, res) => {
  try {
    const { type } = new Webhook(process.env.WEBHOOK_SECRET).verify(req.body, req.headers);
    res.status(200).send(type);
  } catch (error) {
    res.status(401).send(error.message);
  }
});

require('./receive')(app);
