"""The audio experiments of Sechaud, Jacques, Abry and Tachella, "Learning to reconstruct from saturated data", on free data.

- setting: data, networks, objectives, training and measurement, the same for all
- table1: what each objective reaches
- table2: learning where no clean data is
- bias: figure 3, what a bias does
"""
