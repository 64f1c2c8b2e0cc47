// What both clients' stories share: what they send, and how a step is told to test_node_clients.py.
import assert from 'node:assert/strict';

export const base = process.env.FHIR_BASE;
export const token = process.env.FHIR_TOKEN;

export const identified = (value, family = 'Node') => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:test', value }],
  name: [{ family, given: ['Real'] }],
});

export const observationOf = (subject) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'pulse' },
  subject: { reference: subject },
  valueQuantity: { value: 61.5, unit: '/min' },
});

export const transaction = (value) => {
  const patient = 'urn:uuid:0a3c3b5c-6a4e-4f0e-8b4b-0d5a9a3f6f10';
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      { resource: observationOf(patient), request: { method: 'POST', url: 'Observation' } },
      { fullUrl: patient, resource: identified(value), request: { method: 'POST', url: 'Patient' } },
    ],
  };
};

export const deactivate = [{ op: 'replace', path: '/active', value: false }];

export const typesIn = (bundle) => new Set(bundle.entry.map((entry) => entry.resource.resourceType));

export const noErrors = (outcome) =>
  !outcome.issue.some((issue) => ['error', 'fatal'].includes(issue.severity));

export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('the server should have refused');
}

// Runs the steps one after the other; prints the name of each that is done, or why it is not.
export async function tell(steps) {
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
    } catch (error) {
      console.error(`${name}: ${error.stack}\n${JSON.stringify(error.response?.data ?? error.outcome)}`);
      process.exit(1);
    }
    console.log(name);
  }
}
