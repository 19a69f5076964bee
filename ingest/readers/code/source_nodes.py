"""Nodes of tree-sitter's grammars that define classes and functions, in all languages together."""

from __future__ import annotations

import re

from tree_sitter import Node

from ingest.readers.word_set import word_set
from kgrag.text import shorten

MAX_HEADING_CHARS = 120

_CONTAINERS = word_set(
    """
    class class_declaration class_definition abstract_class_declaration class_specifier class_interface
    class_implementation class_statement category_interface category_implementation companion_object data_type
    enum_declaration enum_definition enum_item enum_specifier extension_declaration extension_definition
    file_scoped_namespace_declaration impl_item instance interface_declaration internal_module mixin_declaration
    mod_item module module_definition namespace_declaration namespace_definition newtype object_declaration
    object_definition protocol_declaration record_declaration struct_declaration struct_definition struct_item
    struct_specifier submodule trait_declaration trait_definition trait_item type_alias_declaration
    type_declaration union_item union_specifier annotation_type_declaration
    """
)
_FUNCTIONS = word_set(
    """
    class_method_definition constructor_declaration create_function create_index create_materialized_view
    create_procedure create_table create_trigger create_type create_view destructor_declaration fun_decl
    function function_declaration function_definition function_item function_signature function_statement
    generator_function_declaration init_declaration macro_definition method method_declaration method_definition
    method_signature operator_declaration secondary_constructor short_function_definition singleton_method
    subroutine subroutine_declaration_statement type_definition value_definition deinit_declaration
    """
)
_WRAPPERS = frozenset(
    [
        "decorated_definition",
        "export_statement",
        "template_declaration",
        "ambient_declaration",
        "statement",
        "declaration_statement",
    ]
)
_TRANSPARENT = word_set(
    """
    ERROR block class_body class_declarations declaration_list declarations do_block else_clause elif_clause
    enum_body enum_body_declarations enum_class_body except_clause export_statement expression_statement
    field_declaration_list if_statement implementation_definition instance_declarations interface_body
    internal_procedures linkage_specification module_binding package_clause preproc_elif preproc_else preproc_if
    preproc_ifdef protocol_body script_block_body statement_block statement_list structure template_body
    try_statement body_statement source template_declaration
    """
)
_ASSIGNMENTS = word_set(
    """
    lexical_declaration variable_declaration expression_statement assignment_statement binary_operator
    field_definition public_field_definition variable_declarator assignment_expression expression_list
    """
)
_FUNCTION_VALUES = frozenset(
    ["arrow_function", "function_expression", "function_definition", "generator_function", "class", "function"]
)
_BODIES = word_set(
    """
    block class_body compound_statement constructor_body declaration_list do_block enum_class_body enum_body
    field_declaration_list function_body implementation_definition internal_procedures protocol_body
    script_block statement_block structure template_body
    """
)
_WITH_BODY = frozenset(
    [
        "class_specifier",
        "enum_specifier",
        "method_declaration",
        "namespace_definition",
        "struct_specifier",
        "union_specifier",
    ]
)
"""Nodes that only name a class, a method or a namespace if they have no body."""
_ELIXIR = frozenset(b"def defp defmodule defmacro defmacrop defprotocol defimpl".split())
_CLOJURE = frozenset(b"defn defn- defmacro defprotocol defrecord deftype defmulti defmethod".split())
_ATTACHED = frozenset(["haddock", "attribute_item", "decorator", "annotation", "signature", "inner_attribute_item"])


def is_attached(node: Node) -> bool:
    """Whether a node belongs to the definition below it: a comment, an attribute, a type signature."""
    return "comment" in node.type or node.type in _ATTACHED or (node.type == "unary_operator" and _starts(node, b"@"))


def is_transparent(node: Node) -> bool:
    """Whether definitions are looked for inside a node that is none itself, such as a condition."""
    return node.type in _TRANSPARENT


def continues_definition(before: Node, node: Node) -> bool:
    """Whether a node is part of the definition before it: a body, or a further equation of a function."""
    if node.type == "function_body":
        return before.type in ("function_signature", "method_signature")
    return node.type in ("function", "fun_decl") and before.type == node.type and _name(before) == _name(node)


def find_definition(node: Node) -> Node | None:
    """Return the class or function that a node defines, without decorators and exports; None if it defines none."""
    inner: Node | None = node
    if node.type in _WRAPPERS:
        inner = node.child_by_field_name("definition") or node.child_by_field_name("declaration")
        inner = inner or (node.named_child(node.named_child_count - 1) if node.named_child_count else None)
    if inner is None:
        return None
    is_declared_only = inner.type in _WITH_BODY and not inner.child_by_field_name("body")
    if inner.type in _CONTAINERS:
        return None if is_declared_only else inner
    if is_declared_only:
        return None
    if inner.type in _FUNCTIONS or (inner.type in _ASSIGNMENTS and _has_function_value(inner)):
        return inner
    return inner if _is_defining_call(inner) else None


def has_definitions(definition: Node) -> bool:
    """Whether a definition may contain others that get their own headings."""
    return definition.type in _CONTAINERS or definition.type == "call"


def heading_text(definition: Node) -> str:
    """Return the head of a definition on one line, as in ``def open(path: str) -> Store``."""
    body = definition.child_by_field_name("body")
    if body is None or definition.type in _ASSIGNMENTS:
        body = next((child for child in definition.named_children if child.type in _BODIES), None)
    text = (definition.text or b"")[: body.start_byte - definition.start_byte if body else None]
    head = text[:2000].decode("utf-8", "ignore")
    if not definition.type.startswith("class_i"):  # Objective-C's @interface is no annotation
        head = re.sub(r"\A(?:\s*@[\w.]+(?:\([^()]*\))?\s+)+", "", head)
    head = re.sub(r"//[^\n]*|/\*.*?\*/|\s#\s[^\n]*", " ", head, flags=re.DOTALL)
    if body is None or definition.type == "function_statement":
        head = re.split(r"[{;\n]|=>| AS\b|=\s*struct\b", head.strip(), maxsplit=1)[0]
    if definition.type == "create_table":
        head = head.partition("(")[0]
    if definition.type == "list_lit":
        head = " ".join(child.text.decode("utf-8", "ignore") for child in definition.named_children[:2] if child.text)
    if definition.type == "type_definition" and (name := definition.child_by_field_name("declarator")):
        head = f"{head.strip()} {(name.text or b'').decode('utf-8', 'ignore')}"
    head = re.sub(r"(?:[{:=(]|\bwhere|\bdo|\bthen|\bend)\s*$", "", " ".join(head.split()))
    return shorten(re.sub(r"\(\s+", "(", head).strip(" ("), MAX_HEADING_CHARS)


def _is_defining_call(node: Node) -> bool:
    """Whether a call or a list defines something: Elixir and Clojure have no nodes for definitions."""
    if node.type == "call":
        target = node.child_by_field_name("target")
        return target is not None and target.text in _ELIXIR
    if node.type == "list_lit":
        first = node.named_child(0)
        return first is not None and first.text in _CLOJURE
    if node.type == "Decl":
        return any(child.type == "FnProto" for child in node.named_children)
    if node.type == "assignment":  # Julia: f(x) = x + 1
        left = node.named_child(0)
        return left is not None and left.type == "call_expression"
    return False


def _has_function_value(node: Node) -> bool:
    pending = [(node, 0)]
    while pending:
        inner, depth = pending.pop()
        for child in inner.named_children[:8]:
            if child.type in _FUNCTION_VALUES:
                return True
            if child.type in _ASSIGNMENTS and depth < 3:
                pending.append((child, depth + 1))
    return False


def _name(node: Node) -> bytes | None:
    name = node.child_by_field_name("name")
    if name is None and node.named_child_count:
        clause = node.named_child(0)
        name = clause.child_by_field_name("name") if clause else None
    return name.text if name else None


def _starts(node: Node, text: bytes) -> bool:
    return (node.text or b"").startswith(text)
