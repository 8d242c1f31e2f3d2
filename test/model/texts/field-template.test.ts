import { expect, test } from 'vitest';
import { type FieldSource, fieldTemplate, TemplateError } from '../../../src/model/texts/index.ts';

const NOW = Date.UTC(2026, 0, 1);

const template = (source: string, more: Partial<FieldSource> = {}) =>
  fieldTemplate({ name: 'text_body.txt', source, dialect: 'Jinja', escaping: 'none', ...more });

const render = (source: string, values: object = {}, more: Partial<FieldSource> = {}): string =>
  template(source, more).render(values as never, NOW);

function problem(source: string, values: object = {}, more: Partial<FieldSource> = {}): string {
  try {
    render(source, values, more);
  } catch (error) {
    if (error instanceof TemplateError) return error.message;
    throw error;
  }
  throw new Error('nothing was wrong with it');
}

test('a text without templates is the same for all', () => {
  expect(template('no { braces } here').fixed).toBe('no { braces } here');
  expect(template('{{ a }}').fixed).toBeUndefined();
  expect(template('{# a #}').fixed).toBeUndefined();
  expect(template('{{ a }}', { dialect: 'Static' }).fixed).toBe('{{ a }}');
  expect(template('{% a %}', { dialect: 'Handlebars' }).fixed).toBe('{% a %}');
});

test('the engine drops one line end at the end, whether or not there is a template', () => {
  for (const end of ['\n', '\r\n', '\n\n', '']) {
    expect(render(`a${end}`)).toBe(render(`{{ x }}${end}`, { x: 'a' }));
  }
});

test('values are escaped where it is asked for', () => {
  for (const dialect of ['Jinja', 'Handlebars'] as const) {
    expect(render('{{ v }}', { v: '<&>' }, { dialect })).toBe('<&>');
    expect(render('{{ v }}', { v: '<&>' }, { dialect, escaping: 'html' })).toBe('&lt;&amp;&gt;');
  }
});

test('Handlebars looks into the scopes around', () => {
  const source = '{{#each people}}{{name}} of {{shop}}. {{/each}}';
  const values = { shop: 'X', people: [{ name: 'a' }, { name: 'b' }] };
  expect(render(source, values, { dialect: 'Handlebars' })).toBe('a of X. b of X. ');
});

test.each([
  ['Jinja', 'constructor.name'],
  ['Handlebars', 'constructor.name'],
  ['Handlebars', '__proto__.toString'],
] as const)('%s has no way to the prototype: %s', (dialect, path) => {
  const outcome = (() => {
    try {
      return render(`[{{ ${path} }}]`, { a: 1 }, { dialect });
    } catch {
      return '[]';
    }
  })();
  expect(outcome).toBe('[]');
});

test('errors name template, line and source', () => {
  expect(problem('one\ntwo {{ name')).toBe(
    "syntax error: unexpected end of input, expected end of variable block (in template 'text_body.txt' line 2: 'two {{ name')",
  );
  expect(problem('one\n{{ a.b.c }}\n')).toBe(
    "undefined value (in template 'text_body.txt' line 2: '{{ a.b.c }}')",
  );
  expect(problem('x\n{{#if a}}', {}, { dialect: 'Handlebars' })).toMatch(
    /^syntax error: Expecting .* \(in template 'text_body\.txt' line 2: '\{\{#if a\}\}'\)$/,
  );
  expect(problem(`{{ ${'x'.repeat(5000)}`).length).toBeLessThan(400);
});

test('templates do not see each other', () => {
  render('the secret of {{ one }}', { one: 1 });
  expect(problem('{% include "text_body.txt" %}')).toMatch(/non-existing template/);
  expect(problem('{% include "template 0" %}')).toMatch(/non-existing template/);
});

test('a template that runs for long is stopped', () => {
  const loops = '{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}';
  expect(problem(loops)).toMatch(/fuel/);
});

test('one that breaks the engine leaves the others whole', () => {
  const before = template('{{ v }} is fine');
  expect(problem('{{ v * 4000000000 }}', { v: 'a' })).toMatch(/more memory than templates may have/);
  expect(before.render({ v: 1 }, NOW)).toBe('1 is fine');
  expect(render('{{ v }}', { v: 2 })).toBe('2');
});
