import { productVersion } from '../io/files/index.ts';
import { formatFinding, type ShapingFinding, shapingRules } from '../model/shaping/index.ts';

export const FINDING_FORMATS = ['text', 'json', 'github', 'sarif'] as const;
export type FindingFormat = (typeof FINDING_FORMATS)[number];

/** Findings for people, for programs, as commands of GitHub workflows, or as SARIF 2.1.0. */
export function formatFindings(findings: readonly ShapingFinding[], format: FindingFormat): string {
  switch (format) {
    case 'text':
      return asText(findings);
    case 'json':
      return `${JSON.stringify(asJson(findings), null, 2)}\n`;
    case 'github':
      return findings.map((finding) => `${asCommand(finding)}\n`).join('');
    case 'sarif':
      return `${JSON.stringify(asSarif(findings), null, 2)}\n`;
  }
}

const isError = ({ level }: ShapingFinding): boolean => level === 'Error';

function asText(findings: readonly ShapingFinding[]): string {
  const lines = findings.map(
    (finding) => `${isError(finding) ? 'ERROR' : 'WARNING'}: ${formatFinding(finding)}\n`,
  );
  return lines.join('') + (findings.some(isError) ? '' : 'OK\n');
}

function asJson(findings: readonly ShapingFinding[]): object {
  const errors = findings.filter(isError).length;
  return {
    ok: errors === 0,
    errors,
    warnings: findings.length - errors,
    findings: findings.map(({ rule, level, file, line, column, text }) => ({
      level: level === 'Error' ? 'error' : 'warning',
      rule,
      file,
      line,
      column,
      text,
    })),
  };
}

/** A workflow command; what ends a line or a property in it is escaped. */
function asCommand({ rule, level, file, line, column, text }: ShapingFinding): string {
  const escaped = (value: string): string =>
    value.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const property = (value: string): string => escaped(value).replaceAll(':', '%3A').replaceAll(',', '%2C');
  const kind = level === 'Error' ? 'error' : 'warning';
  return `::${kind} file=${property(file)},line=${line},col=${column},title=${rule}::${escaped(text)}`;
}

function asSarif(findings: readonly ShapingFinding[]): object {
  const rules = Object.entries(shapingRules).map(([id, { level, doc }]) => ({
    id,
    shortDescription: { text: doc },
    defaultConfiguration: { level: { Error: 'error', Warn: 'warning', Ignore: 'none' }[level] },
  }));
  const results = findings.map(({ rule, level, file, line, column, text }) => ({
    ruleId: rule,
    level: level === 'Error' ? 'error' : 'warning',
    message: { text },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: encodeURI(file) },
          region: { startLine: line, startColumn: column },
        },
      },
    ],
  }));
  const driver = { name: 'moonpost', version: productVersion(), rules };
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver }, columnKind: 'utf16CodeUnits', results }],
  };
}
