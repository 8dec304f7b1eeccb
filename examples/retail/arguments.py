"""What the shop's actions take."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Nothing(BaseModel):
    pass


class Email(BaseModel):
    email: str = Field(max_length=254, json_schema_extra={"format": "email", "ask": "What is your e-mail address?"})


class NameAndZip(BaseModel):
    first_name: str = Field(min_length=1, max_length=100, json_schema_extra={"ask": "What is your first name?"})
    last_name: str = Field(min_length=1, max_length=100, json_schema_extra={"ask": "What is your last name?"})
    zip: str = Field(min_length=1, max_length=20, json_schema_extra={"ask": "What is your ZIP code?"})


class UserId(BaseModel):
    user_id: str = Field(max_length=100)


class OrderId(BaseModel):
    order_id: str = Field(
        pattern=r"^#W\d{7}$",
        title="Order number",
        examples=["#W1234567"],
        json_schema_extra={"ask": "Which order is it? Its number looks like #W1234567."},
    )


class ProductId(BaseModel):
    product_id: str = Field(pattern=r"^\d{1,20}$", title="Product number")


class ItemId(BaseModel):
    item_id: str = Field(pattern=r"^\d{1,20}$", title="Item number")


class Expression(BaseModel):
    expression: str = Field(pattern=r"^[0-9+\-*/(). ]{1,200}$")


class Cancellation(OrderId):
    reason: Literal["no longer needed", "ordered by mistake"] = Field(
        title="Reason", json_schema_extra={"ask": "Why should it be cancelled?"}
    )


Items = list[str]


class Swap(OrderId):
    item_ids: Items = Field(min_length=1, max_length=50, title="Items")
    new_item_ids: Items = Field(min_length=1, max_length=50, title="New items")
    payment_method_id: str = Field(max_length=100, title="Payment method")


class Return(OrderId):
    item_ids: Items = Field(min_length=1, max_length=50, title="Items")
    payment_method_id: str = Field(max_length=100, title="Refund to")


class Payment(OrderId):
    payment_method_id: str = Field(max_length=100, title="Payment method")


class Address(BaseModel):
    address1: str = Field(min_length=1, max_length=200)
    address2: str = Field(max_length=200)
    city: str = Field(min_length=1, max_length=100)
    state: str = Field(max_length=100)
    country: str = Field(min_length=1, max_length=100)
    zip: str = Field(min_length=1, max_length=20)


class OrderAddress(OrderId, Address):
    pass


class UserAddress(UserId, Address):
    pass


class Summary(BaseModel):
    summary: str = Field(min_length=1, max_length=2_000)
