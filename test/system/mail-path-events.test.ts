import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const DEFERRED = 'deferred_smtp_inject.kumomta.internal';

test('deferred_queue: answered at once, injected by policy later, also after kill -9', async () => {
  let refuse = true;
  const drop = await MailDrop.start({ data: () => (refuse ? '451 4.3.0 not now' : undefined) });
  const policyThat = (inject: string): string =>
    initLua('', 'deferred_queue = true') +
    relayLua(drop.port, { queue: "retry_interval = '2s'" }) +
    `kumo.on('smtp_server_message_received', function() error('it is not asked') end)
     kumo.on('smtp_server_message_deferred_inject', function(msg, meta) ${inject} end)`;
  const first = await Moonpost.start({ policy: policyThat("kumo.log_info('asked') kumo.time.sleep(600)") });
  await sendOne(first.smtp);
  const [reception] = await first.untilCounts({ Reception: 1 });
  expect(reception!.queue).toBe(DEFERRED);
  await first.waitFor('asked');
  await first.kill();
  // What the policy adds to the content is on disk before the first attempt fails, and so survives a kill.
  const good = policyThat("msg:append_header('X-Injected', meta:get_meta('reception_protocol'))");
  const environment = { policy: good, directory: first.directory };
  const second = await Moonpost.start(environment);
  await second.until((records) =>
    records.some(({ type, queue }) => type === 'TransientFailure' && queue !== DEFERRED),
  );
  await second.kill();
  refuse = false;
  const third = await Moonpost.start(environment);
  const records = await third.untilCounts({ Delivery: 1 });
  expect(third.counts()).toMatchObject({ Reception: 1, DeferredInjectionRebind: 1, Delivery: 1 });
  expect(records.at(-1)!.id).toBe(reception!.id);
  expect(drop.messages).toHaveLength(1);
  expect(drop.messages[0]!.body.match(/^X-Injected: ESMTP\r$/gm)).toHaveLength(1);
});

test('reports are logged where the domain says so, and whoever sends them', async () => {
  const policy =
    initLua('', 'relay_hosts = {}') +
    `kumo.on('get_listener_domain', function(domain)
       if domain == 'bounces.example' then
         return kumo.make_listener_domain{log_oob = 'LogThenDrop', log_arf = 'LogThenDrop'}
       end
     end)`;
  const server = await Moonpost.start({ policy });
  const talk = await SmtpTalk.greeted(server.smtp);
  const to = ['id@bounces.example'];
  const report = (kind: string, part: string, fields: string): string =>
    `Content-Type: multipart/report; report-type=${kind}; boundary=b\r\n\r\n--b\r\n` +
    `Content-Type: ${part}\r\n\r\n${fields}\r\n--b--\r\n`;
  const oob = report(
    'delivery-status',
    'message/delivery-status',
    'Reporting-MTA: dns; mx.there.example\r\n\r\nFinal-Recipient: rfc822; who@there.example\r\n' +
      'Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 nobody of that name',
  );
  const arf = report(
    'feedback-report',
    'message/feedback-report',
    'Feedback-Type: abuse\r\nUser-Agent: there/1\r\nVersion: 1',
  );
  expect(await talk.send('', to, oob)).toMatch(/^250 OK ids=/);
  expect(await talk.send('abuse@there.example', to, arf)).toMatch(/^250 OK ids=/);
  expect(await talk.send('spam@there.example', to, 'Subject: no report\r\n\r\nx\r\n')).toMatch(
    /^550 5\.7\.1 relaying not permitted/,
  );
  const records = await server.untilCounts({ OOB: 1, Feedback: 1, Rejection: 1 });
  expect(server.counts()).toEqual({ Reception: 1, OOB: 1, Feedback: 1, Rejection: 1 });
  expect(records.find(({ type }) => type === 'OOB')).toMatchObject({
    sender: 'id@bounces.example',
    recipient: 'who@there.example',
    size: 0,
    response: {
      code: 550,
      enhanced_code: { class: 5, subject: 1, detail: 1 },
      content: 'nobody of that name',
    },
  });
  expect(records.find(({ type }) => type === 'Feedback')).toMatchObject({
    feedback_report: { feedback_type: 'abuse', user_agent: 'there/1' },
  });
  await server.untilEmpty();
});
