import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand } from '../kit/peer.ts';

// Programs that inject into KumoMTA, by what they send: typed clients write every optional field as null, the stock
// API client sends the body `null` with a GET, curl waits for 100 Continue, libraries keep connections and ask for
// compressed answers.
let server: Moonpost;
let drop: MailDrop;
const zero = { fail_count: 0, failed_recipients: [], errors: [] };

beforeAll(async () => {
  drop = await MailDrop.start();
  server = await Moonpost.start({ policy: initLua() + relayLua(drop.port), shards: 2 });
});

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** Runs a program with the URL of the server as its last argument; the server in this process goes on meanwhile. */
async function run(command: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  expect(code, output + errors).toBe(0);
  return output;
}

const url = (): string => `http://127.0.0.1:${server.http}`;
const bodyFor = (recipient: string): string =>
  drop.messages.find(({ recipients }) => recipients[0] === recipient)!.body;

const TYPED = `
# What a client writes that is generated from the types of the API: every field, null where nothing is given.
def typed(to, **changes):
    request = {
        'envelope_sender': 'sender@source.example',
        'recipients': [{'email': to, 'name': None, 'substitutions': {}, 'metadata': {}}],
        'content': {
            'text_body': 'Hello {{ email }}', 'html_body': None, 'amp_html_body': None, 'attachments': [],
            'headers': {}, 'from': {'email': 'from@source.example', 'name': None}, 'subject': 'typed',
            'reply_to': None,
        },
        'substitutions': {},
        'deferred_spool': False, 'deferred_generation': False, 'template_dialect': 'Jinja',
        'trace_headers': {'received_header': False, 'supplemental_header': True, 'header_name': 'X-KumoRef',
                          'include_meta_names': []},
    }
    request.update(changes)
    return request
`;

const URLLIB = `
import gzip, http.client, json, sys, urllib.error, urllib.request, zlib
${TYPED}
url = sys.argv[1]

def call(method, path, body, headers={}):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method=method,
                                     headers={'Content-Type': 'application/json', **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return [response.status, response.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]

def inject(body, **headers):
    return call('POST', '/api/inject/v1', body, {name.replace('_', '-'): value for name, value in headers.items()})

say = lambda name, value: print(json.dumps([name, value]))
say('typed', inject(typed('typed@dest.example')))
say('charset', inject(typed('charset@dest.example'), Content_Type='application/json; charset=utf-8'))
say('gzip', inject(gzip.compress(json.dumps(typed('gzip@dest.example')).encode()), Content_Encoding='gzip'))
say('deflate', inject(zlib.compress(json.dumps(typed('deflate@dest.example')).encode()), Content_Encoding='deflate'))
say('unknown', inject(typed('unknown@dest.example', speed='fast')))
say('string', inject({'envelope_sender': 'sender@source.example', 'recipients': [{'email': 'string@dest.example'}],
                      'content': 'Subject: gr\\u00fc\\u00dfe\\n\\nT\\u00e4glich {{ email }}\\n'}))

# Many requests over one connection, the way of a pool of connections; one body in chunks of unknown length.
connection = http.client.HTTPConnection(url.split('//')[1], timeout=60)
socket = None
for number in range(20):
    body = json.dumps(typed('kept%d@dest.example' % number)).encode()
    chunked = iter([body[:10], body[10:]])
    connection.request('POST', '/api/inject/v1', chunked if number == 7 else body,
                       {'Content-Type': 'application/json', 'Connection': 'keep-alive', 'Accept-Encoding': 'identity'},
                       encode_chunked=number == 7)
    response = connection.getresponse()
    answer = [response.status, response.read().decode()]
    socket = socket or connection.sock
    assert connection.sock is socket, 'the server closed the connection'
    assert answer[0] == 200, answer
say('kept', answer)

# The stock API client writes a JSON body always.
say('liveness', call('GET', '/api/check-liveness/v1', None))
created = call('POST', '/api/admin/bounce/v1', {'domain': 'gone.example', 'reason': 'test', 'duration': '5m',
                                                'campaign': None, 'tenant': None, 'routing_domain': None,
                                                'suppress_logging': False, 'queue_names': []})
say('bounce', created[0])
say('bounces', len(json.loads(call('GET', '/api/admin/bounce/v1', None)[1])))
say('cancelled', call('DELETE', '/api/admin/bounce/v1', {'id': json.loads(created[1])['id']})[0])
say('epoch', call('POST', '/api/admin/bump-config-epoch', None)[0])
`;

const answersOf = (output: string): Record<string, unknown> =>
  Object.fromEntries(
    output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, unknown]),
  );

test("Python's urllib and http.client: typed requests, compressed ones, kept connections, the stock client's bodies", async () => {
  const python = requireCommand('python3', 'apt-get install python3');
  const answers = answersOf(await run(python, ['-', url()], URLLIB));
  const one = [200, JSON.stringify({ success_count: 1, ...zero })];
  for (const name of ['typed', 'charset', 'gzip', 'deflate', 'string', 'kept']) {
    expect(answers[name], name).toEqual(one);
  }
  expect(answers.unknown).toEqual([422, expect.stringContaining('speed')]);
  expect(answers.liveness).toEqual([200, 'OK']);
  expect([answers.bounce, answers.bounces, answers.cancelled, answers.epoch]).toEqual([200, 1, 200, 200]);
  await drop.until(25);
  expect(bodyFor('typed@dest.example')).toMatch(/\r\n\r\nHello typed@dest\.example\r\n$/);
  expect(drop.messages).toHaveLength(25);
});

test("Python's requests: json= in a session; text without its type is refused", async () => {
  const python = '/usr/bin/python3';
  const script = `
import json, sys
try:
    import requests
except ImportError:
    sys.exit('python3-requests is missing; install it with: apt-get install python3-requests')
${TYPED}
with requests.Session() as session:
    for to in ['first@dest.example', 'second@dest.example']:
        answer = session.post(sys.argv[1] + '/api/inject/v1', json=typed(to), timeout=60)
        answer.raise_for_status()
        print(json.dumps([to, answer.json()]))
    answer = session.post(sys.argv[1] + '/api/inject/v1', data=json.dumps(typed('form@dest.example')), timeout=60)
    print(json.dumps(['without type', answer.status_code]))
`;
  const answers = answersOf(await run(python, ['-', url()], script));
  expect(answers).toEqual({
    'first@dest.example': { success_count: 1, ...zero },
    'second@dest.example': { success_count: 1, ...zero },
    'without type': 415,
  });
});

test('curl: --json, a body of megabytes after 100 Continue, --compressed', async () => {
  const curl = requireCommand('curl', 'apt-get install curl');
  const request = {
    envelope_sender: 'sender@source.example',
    recipients: [{ email: 'curl@dest.example' }],
    content: { text_body: 'from curl', subject: 'curl', from: { email: 'from@source.example' } },
  };
  const inject = (body: object, ...args: string[]): Promise<string> =>
    run(
      curl,
      [
        '-sS',
        '--fail-with-body',
        ...args,
        '-H',
        'Content-Type: application/json',
        '-d',
        '@-',
        `${url()}/api/inject/v1`,
      ],
      JSON.stringify(body),
    );
  const answer = { success_count: 1, ...zero };
  expect(JSON.parse(await inject(request))).toEqual(answer);
  expect(JSON.parse(await inject(request, '--compressed'))).toEqual(answer);
  expect(JSON.parse(await inject(request, '--http1.0'))).toEqual(answer);
  const large = { ...request, content: { ...request.content, text_body: 'words '.repeat(300_000) } };
  expect(JSON.parse(await inject(large, '-H', 'Expect: 100-continue'))).toEqual(answer);
});
