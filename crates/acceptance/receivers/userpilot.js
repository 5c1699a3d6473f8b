// A receiver of Userpilot's webhooks that checks all that its document says ("Webhook Payload Schema") and asks for the
// secret token.
const express = require('express');
const app = express();

app.use(express.json());

// What stands in `type`, and what then stands in `data`.
const EVENTS = {
  flows: { type: 'flow', actions: ['seen', 'completed', 'dismissed'] },
  checklist: { type: 'checklist', actions: ['seen', 'completed', 'dismissed'] },
  nps: { type: undefined, actions: ['score', 'dismissed', 'feedback', 'ask_later'] },
  feature_tag: { type: 'feature_tag', actions: ['clicked', 'hover', 'text_input'] },
  forms: { type: 'forms', actions: ['submitted'] },
  button_tracked_event: { type: 'button_tracked_event', actions: ['occurred'] },
};

app.post('/', (req, res) => {
  if (req.headers['x-userpilot-token'] !== process.env.WEBHOOK_SECRET) {
    return res.status(401).send('Unauthorized');
  }

  const { type, timestamp, app_token: appToken, data, ...rest } = req.body;
  const [kind, action] = type.split('.');
  const event = EVENTS[kind];
  const isText = (value) => typeof value === 'string';
  const wrong = Object.entries({
    type: event?.actions.includes(action),
    timestamp: Number.isInteger(timestamp) && Math.abs(Date.now() / 1000 - timestamp) < 600,
    app_token: isText(appToken),
    'data.action': data.action === action,
    'data.type': data.type === event?.type,
    'data.id': kind === 'nps' || Number.isInteger(data.id),
    'data.hostname': isText(data.hostname),
    'data.pathname': isText(data.pathname),
    'data.user': isText(data.user?.user_id),
    'data.company': isText(data.company?.id),
    'data.app_token': !('app_token' in data),
    'data.score': type !== 'nps.feedback' || (Number.isInteger(data.score) && data.score >= 0 && data.score <= 10),
    'data.feedback': type !== 'nps.feedback'
      || [data.survey_question, data.follow_up_question, data.feedback].every(isText),
    'nothing else': Object.keys(rest).length === 0,
  }).filter(([, holds]) => !holds).map(([what]) => what);

  if (wrong.length > 0) {
    return res.status(422).json({ wrong });
  }
  res.status(200).send('OK');
});

require('./receive')(app);
