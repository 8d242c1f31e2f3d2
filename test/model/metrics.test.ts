import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { metricMetadata } from '../../src/cli/metric-metadata.ts';
import { HISTOGRAM_BUCKETS, metrics } from '../../src/model/index.ts';

const root = resolve(import.meta.dirname, '../..');

test('metrics are declared once, by names that Prometheus takes', () => {
  const names = metrics.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)].sort());
  for (const { name, labels, help } of metrics) {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    for (const label of labels) expect(label).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(help, name).toMatch(/^\S[^\n]*$/);
  }
});

test('--dump-metric-metadata tells of every metric (operations.md 1.1)', () => {
  const all = metricMetadata();
  expect(all.map(({ name }) => name)).toEqual(metrics.map(({ name }) => name));
  expect(all.find(({ name }) => name === 'scheduled_by_tenant_campaign')).toEqual({
    name: 'scheduled_by_tenant_campaign',
    help: 'Messages in scheduled queues by tenant and campaign',
    doc: null,
    metric_type: 'gauge',
    label_names: ['tenant', 'campaign'],
    buckets: null,
    pruning: true,
  });
  const latency = all.find(({ name }) => name === 'message_save_latency');
  expect(latency).toMatchObject({ metric_type: 'histogram', buckets: HISTOGRAM_BUCKETS, pruning: false });
});

describe('the dashboard in examples/grafana', () => {
  const dashboard = JSON.parse(readFileSync(join(root, 'examples/grafana/moonpost.json'), 'utf8'));
  const panels = dashboard.panels.filter(({ type }: { type: string }) => type !== 'row');
  const expressions: string[] = panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
    targets.map(({ expr }) => expr),
  );
  /** Labels that Prometheus adds. */
  const ADDED = new Set(['instance', 'le']);
  const KNOWN = new Map(
    metrics.flatMap(({ name, type, labels }) => {
      const names = type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
      return names.map((one) => [one, labels] as const);
    }),
  );

  test('names only metrics and labels that are declared', () => {
    expect(expressions.length).toBeGreaterThan(40);
    for (const expression of expressions) {
      const used = [...expression.matchAll(/([a-z_]+)\{([^}]*)\}/g)];
      expect(used.length, expression).toBeGreaterThan(0);
      const labels = new Set(ADDED);
      for (const [, name, selectors] of used) {
        const own = KNOWN.get(name!);
        expect(own, `${name} in ${expression}`).toBeDefined();
        for (const label of own!) labels.add(label);
        for (const [, label] of selectors!.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)"/g)) {
          expect([...own!, ...ADDED], `${label} in ${expression}`).toContain(label);
        }
      }
      for (const [, by] of expression.matchAll(/\bby \(([^)]*)\)/g)) {
        for (const label of by!.split(',')) expect([...labels], expression).toContain(label.trim());
      }
      // Whatever else looks like a name must be a function.
      const rest = expression.replace(/\{[^}]*\}|"[^"]*"|\bby \([^)]*\)|\[[^\]]*\]/g, ' ');
      for (const [word] of rest.matchAll(/[a-z_]{2,}/g)) {
        const isFunction = /^(sum|rate|increase|min|avg|topk|histogram_quantile)$/.test(word);
        expect(isFunction || KNOWN.has(word), `${word} in ${expression}`).toBe(true);
      }
    }
  });

  test('legends name labels that the expression leaves', () => {
    for (const { targets } of panels) {
      for (const { expr, legendFormat } of targets) {
        const kept = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, by]) => by!.split(/,\s*/));
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          expect(kept, `${legendFormat} of ${expr}`).toContain(label);
        }
      }
    }
  });

  test('is one that Grafana imports: a data source to choose, panels with ids and places of their own', () => {
    expect(dashboard).toMatchObject({ title: 'Moonpost', uid: 'moonpost', id: null });
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    const [datasource] = dashboard.templating.list;
    expect(datasource).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    const ids = dashboard.panels.map(({ id }: { id: number }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = new Set<string>();
    for (const { gridPos, title } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x} ${y}`), `${title} lies on another`).toBe(false);
          cells.add(`${x} ${y}`);
        }
      }
    }
    for (const { datasource, targets, title } of panels) {
      expect(datasource.type, title).toBe('prometheus');
      expect(datasource.uid, title).toMatch(/^\$\{datasource\}$/);
      for (const target of targets) expect(target.datasource).toEqual(datasource);
    }
  });
});
