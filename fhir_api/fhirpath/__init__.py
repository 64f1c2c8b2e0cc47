"""FHIRPath (N1, http://hl7.org/fhirpath/N1) with what R4 adds (https://hl7.org/fhir/R4/fhirpath.html), on parsed JSON.

    expression = compile_expression("name.where(use = 'official').given.first()")
    patient = resource_node(tree)                      # tree: what document.parse returns
    for node in expression.evaluate(patient):
        node.value, node.type, node.location, node.keys    # 'Eve', 'string', 'Patient.name[0].given[0]', (…)

``compile_expression(text, *, variables=())`` raises ExpressionError for a text that is no expression and for a function,
type or constant that is not here; it remembers what it compiled, so it may be called each time. ``variables`` are the
names of further constants (``%patient``) that each evaluation will bring.

``Expression.evaluate(node, …)`` returns the collection as nodes, ``.holds(node, …)`` a bool: what an invariant asks.
Empty does not hold, as the reference validator has it. Both take

- ``resource``: ``%resource``, the resource that ``node`` stands in (default: the top of ``node``'s own tree);
- ``root``: ``%rootResource``, the one around a contained resource (default: ``resource``);
- ``resolve(reference, node)``: what ``resolve()`` finds (default: nothing); ``references_within`` makes one for a Bundle;
- ``member_of(node, value_set)``: what ``memberOf()`` answers (default: None, which is empty);
- ``variables``: constant → nodes; ``steps``: the budget, about a microsecond each.

They raise EvaluationError where the expression does not fit the elements, TooCostly where the budget is spent.

A ``Node`` (``fhirpath.nodes``) can be made at any element: ``Node(value, 'HumanName')``. It is reached by its parents,
and tells its ``location`` and its ``keys`` in the JSON tree from the node it began at, so start at ``resource_node``
where results are to be found again. Nodes never copy: changing ``node.parent.value[node.name]`` changes the tree.
"""

from fhir_api.fhirpath.errors import EvaluationError, ExpressionError, FhirPathError, TooCostly
from fhir_api.fhirpath.expression import Expression, compile_expression
from fhir_api.fhirpath.nodes import Node, resource_node
from fhir_api.fhirpath.resolving import references_within

__all__ = [
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "FhirPathError",
    "Node",
    "TooCostly",
    "compile_expression",
    "references_within",
    "resource_node",
]
