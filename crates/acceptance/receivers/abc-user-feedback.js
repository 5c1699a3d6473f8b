// A receiver of ABC User Feedback's webhooks as its document writes it ("Webhook Receiving Server Implementation").
const express = require('express');
const app = express();

app.use(express.json());

app.post('/', (req, res) => {
  const { event, data } = req.body;
  const token = req.headers['x-webhook-token'];

  if (token !== process.env.WEBHOOK_SECRET) {
    return res.status(401).json({ error: 'Unauthorized' });
  }

  // The document only logs these; a receiver that works with one that is missing fails.
  let subject;
  switch (event) {
    case 'FEEDBACK_CREATION':
      subject = data.feedback.message && data.channel.name && data.project.name;
      break;
    case 'ISSUE_CREATION':
      subject = data.issue.name && data.project.name;
      break;
    case 'ISSUE_STATUS_CHANGE':
      subject = data.issue.status && data.previousStatus;
      break;
    case 'ISSUE_ADDITION':
      subject = data.addedIssue.name && data.feedback.issues.some((issue) => issue.id === data.addedIssue.id);
      break;
  }
  if (!subject) {
    return res.status(422).json({ error: `nothing to do with ${event}` });
  }

  res.status(200).json({ success: true });
});

require('./receive')(app);
