// A receiver that reads events with the SDK of CloudEvents, after it has verified them with that of Standard Webhooks.
const express = require('express');
const { HTTP } = require('cloudevents');
const { Webhook } = require('standardwebhooks');

const app = express();
app.use(express.text({ type: 'application/cloudevents+json' }));

app.post('/', (req, res) => {
  try {
    new Webhook(process.env.WEBHOOK_SECRET).verify(req.body, req.headers);
  } catch (error) {
    return res.status(401).send(error.message);
  }
  try {
    const event = HTTP.toEvent({ headers: req.headers, body: req.body });
    event.validate();
    res.status(200).json(event);
  } catch (error) {
    res.status(422).send(error.message);
  }
});

require('./receive')(app);
