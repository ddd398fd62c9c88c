//! Types whose rules are garde's.

use ::garde::Report;

use super::{Validate, Violation, Violations};

#[diagnostic::do_not_recommend]
impl<T> Validate for T
where
    T: ::garde::Validate + ?Sized,
    T::Context: Default,
{
    fn validate(&self) -> Result<(), Violations> {
        ::garde::Validate::validate(self).map_err(Violations::from)
    }
}

impl From<Report> for Violations {
    fn from(report: Report) -> Self {
        let violation = |(path, error): &(::garde::Path, ::garde::Error)| Violation {
            field: path.to_string(),
            message: error.message().to_owned(),
        };
        Self { list: report.iter().map(violation).collect() }
    }
}

#[cfg(test)]
mod tests {
    use ::garde::Validate as Garde;

    use super::*;

    #[derive(Garde)]
    struct Item {
        #[garde(range(min = 1))]
        quantity: u32,
    }

    #[derive(Garde)]
    struct Order {
        #[garde(length(min = 1))]
        customer: String,
        #[garde(dive)]
        items: Vec<Item>,
    }

    #[test]
    fn a_type_with_rules_of_garde_says_which_field_breaks_one() {
        let item = |quantity| Item { quantity };
        let order = Order { customer: "ada".to_owned(), items: vec![item(1), item(0)] };
        let wrong = Validate::validate(&order).unwrap_err();
        let fields: Vec<_> = wrong.list().iter().map(|violation| &*violation.field).collect();
        assert_eq!(fields, ["items[1].quantity"]);
        let nobody = Order { customer: String::new(), items: vec![item(1)] };
        assert_eq!(Validate::validate(&nobody).unwrap_err().list()[0].field, "customer");
        assert!(Validate::validate(&Order { customer: "ada".to_owned(), items: vec![] }).is_ok());
    }
}
